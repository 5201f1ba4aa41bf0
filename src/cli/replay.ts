/** `postern replay`: why did my knock not register? */
import { canonicalAddress } from '../../config/address.js';
import { loadConfiguration } from '../../config/load.js';
import { fixedHost } from '../capture/host-view.js';
import { PosternError } from '../errors.js';
import { createProgress } from '../replay/progress.js';
import { type ReplayEvent, replay } from '../replay/replay.js';
import { eventLine, Tally } from '../replay/report.js';
import { configurationErrors } from './configuration-errors.js';

export interface ReplayCommand {
  readonly config: string;
  readonly address?: readonly string[];
  readonly listening?: readonly string[];
  readonly json?: boolean;
}

/** Prints what happened; throws PosternError for what cannot be read. */
export async function runReplay(file: string, command: ReplayCommand): Promise<void> {
  const { configuration, diagnostics } = await loadConfiguration(command.config);
  if (configuration === undefined) throw configurationErrors(command.config, diagnostics);
  const tally = new Tally();
  const progress = createProgress(process.stderr);
  const say = (line: string) => process.stdout.write(`${line}\n`);
  const onEvent = (event: ReplayEvent) => {
    tally.count(event);
    progress.end();
    say(command.json ? jsonLine(event) : eventLine(event));
  };
  const summary = await replay(file, {
    configuration,
    host: hostOf(command),
    onEvent,
    onProgress: (done, total) => progress.update(done, total),
    onWarning: (message) => process.stderr.write(`warning: ${message}\n`),
  });
  progress.end();
  if (command.json) return;
  if (command.address === undefined) {
    say('(no --address given: every destination was taken for an address of the host)');
  }
  for (const line of tally.lines(summary)) say(line);
}

function hostOf({ address = [], listening = [] }: ReplayCommand) {
  const addresses = address.map((text) => {
    const canonical = canonicalAddress(text);
    if (canonical === undefined) {
      throw new PosternError('POSTERN_E_USAGE', `--address ${text}: write an IP address`);
    }
    return canonical;
  });
  const ports = listening
    .flatMap((text) => text.split(','))
    .map((text) => {
      const [, digits = '', protocol = 'tcp'] =
        /^(\d{1,5})(?::(tcp|udp))?$/.exec(text.trim()) ?? [];
      const port = Number(digits);
      if (port < 1 || port > 65535) {
        throw new PosternError(
          'POSTERN_E_USAGE',
          `--listening ${text}: write ports as 22 or 53:udp`,
        );
      }
      return { port, protocol: protocol === 'udp' ? ('udp' as const) : ('tcp' as const) };
    });
  const host = fixedHost({ addresses, listening: ports });
  return addresses.length > 0 ? host : { ...host, isLocal: () => true };
}

function jsonLine({ kind, door, source, stage, atMs, reason }: ReplayEvent): string {
  return JSON.stringify({
    kind,
    door: door.name,
    source,
    stage,
    of: door.knocks.length,
    atMs,
    reason,
  });
}
