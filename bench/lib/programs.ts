/** The programs that are measured, started the same way on the server's end of a test network. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Postern, startPostern } from '../../test/support/daemon.js';
import type { Network } from '../../test/support/netns.js';
import { Program } from '../../test/support/program.js';

export type ProgramName = 'postern' | 'knockd';

export interface Running {
  readonly name: ProgramName;
  readonly pid: number;
  readonly postern?: Postern;
  dispose(): Promise<void>;
}

export interface Start {
  /** The doors, in knockd's words. */
  readonly doors: string;
  /** Further lines of `[options]`, for postern alone. */
  readonly options?: string;
  readonly folder: string;
  readonly env?: NodeJS.ProcessEnv;
}

export async function start(name: ProgramName, network: Network, input: Start): Promise<Running> {
  return name === 'postern' ? startOurs(network, input) : startKnockd(network, input);
}

async function startOurs(
  network: Network,
  { doors, options, folder, env }: Start,
): Promise<Running> {
  const conf = `${options === undefined ? '' : `[options]\n${options}\n`}${doors}`;
  const own = { conf, folder: join(folder, 'postern'), ...(env && { env }) };
  const postern = await startPostern(network, own);
  return { name: 'postern', pid: postern.pid, postern, dispose: () => postern.dispose() };
}

async function startKnockd(network: Network, { doors, folder }: Start): Promise<Running> {
  const file = join(folder, 'knockd.conf');
  await mkdir(folder, { recursive: true });
  await writeFile(file, doors);
  const argv = ['knockd', '-v', '-i', network.interfaces.server, '-c', file];
  const program = new Program(network.spawn('server', argv));
  await program.waitFor(/listening/);
  return { name: 'knockd', pid: program.pid, dispose: () => program.dispose() };
}
