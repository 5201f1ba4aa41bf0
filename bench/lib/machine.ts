/** The machine that figures were measured on, and the versions of what was measured. */
import { realpath } from 'node:fs/promises';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { packageVersion } from '../../src/client/version.js';
import { cloneFolder } from '../../test/support/clone.js';
import { run } from '../../test/support/run.js';
import { rounded } from './figures.js';

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  /** By name; `unknown` of what is not there or does not say. */
  readonly versions: Readonly<Record<string, string>>;
}

const UNKNOWN = 'unknown';
const VERSION = /(?:v=|\bv?)(\d+(?:\.\d+)+)/;

export async function describeMachine(): Promise<Machine> {
  const said = async (...argv: string[]) => versionIn(await outputOf(argv));
  return {
    processor: cpus()[0]?.model.trim() ?? UNKNOWN,
    ...{ cores: cpus().length, memoryGiB: Math.round(totalmem() / 2 ** 30), kernel: release() },
    versions: {
      ...{ postern: packageVersion(), commit: await commit(), node: process.versions.node },
      knockd: await said('knockd', '--version'),
      nft: await said('nft', '--version'),
      libpcap: await libpcapVersion(),
      redis: await said('redis-server', '--version'),
    },
  };
}

/** Of the last 1, 5 and 15 minutes: what else the machine had to do. */
export function loadAverages(): readonly number[] {
  return loadavg().map((each) => rounded(each));
}

/** The first version number of a text. */
export function versionIn(text: string): string {
  return VERSION.exec(text)?.[1] ?? UNKNOWN;
}

async function commit(): Promise<string> {
  const said = await outputOf(['git', '-C', cloneFolder(), 'describe', '--always', '--dirty']);
  return said.trim() || UNKNOWN;
}

/** The library that the capture is linked to; it tells its version by the name of its file only. */
async function libpcapVersion(): Promise<string> {
  const addon = join(cloneFolder(), 'node_modules/cap/build/Release/cap.node');
  const library = /libpcap\S* => (\S+)/.exec(await outputOf(['ldd', addon]))?.[1];
  if (library === undefined) return UNKNOWN;
  return /libpcap\.so\.([\d.]+)$/.exec(await realpath(library))?.[1] ?? UNKNOWN;
}

async function outputOf(argv: readonly string[]): Promise<string> {
  try {
    const { stdout, stderr } = await run(argv);
    return stdout || stderr;
  } catch {
    // It is not installed.
    return '';
  }
}
