/** Reads the ruleset that is in force, with `nft`. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { reasonOf } from '../errors.js';
import { parseRuleset, type Table } from './ruleset.js';

const exec = promisify(execFile);

/** Large sets of addresses make large rulesets; this holds a million elements. */
const MAX_BYTES = 256 * 1024 * 1024;
const TIMEOUT_MS = 10_000;

/** Where nft is, also for who has no sbin in the PATH. */
const PATH = `${process.env['PATH'] ?? ''}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin`;

export type RulesetReading =
  | { readonly tables: readonly Table[] }
  /** Why there is none, as a clause. */
  | { readonly problem: string };

/** Never throws. Takes CAP_NET_ADMIN. */
export async function readRuleset(): Promise<RulesetReading> {
  if (await hasLegacyRules())
    return { problem: 'there are rules of iptables-legacy, which nft does not show' };
  try {
    const json = await nft('-j', 'list', 'ruleset');
    // The listing with its large sets is needed only for what JSON leaves out.
    const listing = json.includes('"xt"') ? await nft('-a', '-t', 'list', 'ruleset') : '';
    return { tables: parseRuleset(json, listing) };
  } catch (error) {
    return { problem: problemOf(error) };
  }
}

async function nft(...args: readonly string[]): Promise<string> {
  const options = { maxBuffer: MAX_BYTES, timeout: TIMEOUT_MS, env: { PATH } };
  return (await exec('nft', args, options)).stdout;
}

function problemOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return 'there is no nft; install the package nftables';
  const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : '';
  if (/not permitted|must be root/i.test(said)) return 'reading it takes root, or CAP_NET_ADMIN';
  return `nft list ruleset failed: ${said.trim().split('\n')[0] || reasonOf(error)}`;
}

/** The old iptables keeps rules that nf_tables does not know of. */
async function hasLegacyRules(): Promise<boolean> {
  const files = ['/proc/net/ip_tables_names', '/proc/net/ip6_tables_names'];
  const names = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')));
  return names.some((text) => text.trim() !== '');
}
