/** From a file on disk to a configuration: where text becomes typed values, once. */
import { reasonOf } from '../src/errors.js';
import {
  type Findings,
  findingsOf,
  hasErrors,
  type Place,
  quotedPath,
  WHOLE_FILE,
} from './diagnostics.js';
import { readOneTimeFile } from './one-time-file.js';
import { inOrder, type ParsedConfiguration, parseConfiguration } from './parse.js';
import { readableByOthers, readTrusted } from './trusted-file.js';
import type { Configuration, Diagnostic, Door } from './types.js';

/** Larger files are no knockd.conf: a thousand doors take some 300 kB. */
const MAX_BYTES = 1024 * 1024;

/** A configuration, and the text it was read from (a copy is kept while grants refer to it, G7). */
export interface LoadedConfiguration extends ParsedConfiguration {
  readonly text?: string;
}

/**
 * Reads and understands a configuration file. Never throws: what is wrong with the file itself is
 * a diagnostic too. A file that others can write or that a third user owns is refused (T8), and so
 * is one whose one-time sequence files cannot be read.
 */
export async function loadConfiguration(file: string): Promise<LoadedConfiguration> {
  const findings = findingsOf(file);
  const read = await readTrusted(file, MAX_BYTES);
  if ('problem' in read) {
    findings.error('POSTERN_E_CONFIG_FILE', WHOLE_FILE, `the file ${read.problem}`);
    return { diagnostics: findings.list, places: new Map() };
  }
  if (read.content.includes(0)) {
    const message = 'the file is binary (it holds NUL bytes), not a configuration';
    findings.error('POSTERN_E_CONFIG_FILE', WHOLE_FILE, message);
    return { diagnostics: findings.list, places: new Map() };
  }
  const text = read.content.toString('utf8');
  const parsed = parseConfiguration(text, file);
  if (readableByOthers(read.stats)) {
    const isSecret = parsed.configuration !== undefined && holdsPassword(parsed.configuration);
    const secrets = isSecret ? 'sequences and a password' : 'sequences';
    const message = `every user of this host can read the ${secrets} in it; chmod o-r it`;
    findings.warning('POSTERN_W_READABLE', WHOLE_FILE, message);
  }
  const oneTime = await checkOneTimeFiles(parsed, findings);
  const diagnostics = [...inOrder([...findings.list, ...parsed.diagnostics]), ...oneTime];
  if (!parsed.configuration || hasErrors(diagnostics))
    return { diagnostics, places: parsed.places };
  return { ...parsed, diagnostics, text };
}

/**
 * Whether a URL in it has a password: then also a file without a door is to be kept from others. Who
 * knows the URL of a webhook may post to it, so that is one as a whole.
 */
function holdsPassword({ options, sinks }: Configuration): boolean {
  const { redis, localRedis } = options;
  return (
    sinks.some(({ kind }) => kind === 'webhook') ||
    [redis, localRedis].some((url) => url !== undefined && /:[^/@]*@/.test(url))
  );
}

/** Findings about the lines of one-time files; what is wrong with a file itself is of the door. */
async function checkOneTimeFiles(
  { configuration, places }: ParsedConfiguration,
  findings: Findings,
): Promise<readonly Diagnostic[]> {
  const found: Diagnostic[] = [];
  for (const door of configuration?.doors ?? []) {
    if (door.sequence.kind === 'oneTime') {
      const place = places.get(door.name)?.get('One_Time_Sequences') ?? WHOLE_FILE;
      found.push(...(await checkOneTimeFile(door, door.sequence.file, place, findings)));
    }
  }
  return found;
}

async function checkOneTimeFile(
  door: Door,
  file: string,
  place: Place,
  findings: Findings,
): Promise<readonly Diagnostic[]> {
  try {
    const { lines, diagnostics } = await readOneTimeFile(file);
    if (lines.length === 0) {
      const message = `${quotedPath(file)} has no unused sequence left; door [${door.name}] stays shut`;
      findings.warning('POSTERN_W_ONE_TIME', place, message);
    }
    return diagnostics;
  } catch (error) {
    findings.error('POSTERN_E_ONE_TIME', place, reasonOf(error));
    return [];
  }
}
