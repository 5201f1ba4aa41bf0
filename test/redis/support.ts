import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { poll } from '../support/poll.js';
import { endProcess } from '../support/processes.js';

/** A temporary folder with everything to undo, in reverse order, when the test is over. */
export class Scratch {
  readonly #undo: (() => unknown)[] = [];
  #dir: string | undefined;

  async dir(): Promise<string> {
    this.#dir ??= await mkdtemp(join(tmpdir(), 'postern-test-'));
    return this.#dir;
  }

  /** Undone when the test is over. */
  owns(undo: () => unknown): void {
    this.#undo.push(undo);
  }

  async clear(): Promise<void> {
    for (const undo of this.#undo.splice(0).reverse()) await undo();
    if (this.#dir !== undefined) await rm(this.#dir, { recursive: true, force: true });
    this.#dir = undefined;
  }
}

/** A redis-server that is none of postern's; ends with the scratch. */
export async function strangeRedis(
  scratch: Scratch,
  dir: string,
  config: readonly string[] = [],
): Promise<ChildProcess> {
  const socket = join(dir, 'redis.sock');
  const child = spawn('redis-server', ['-'], { cwd: dir, stdio: ['pipe', 'ignore', 'ignore'] });
  scratch.owns(() => endProcess(child));
  child.stdin?.end(['port 0', `unixsocket ${socket}`, 'save ""', ...config, ''].join('\n'));
  await poll(() => answers(socket), 'redis-server answers');
  return child;
}

/** Also one that only says that it wants a password. */
async function answers(path: string): Promise<boolean> {
  const client = connect({ path });
  try {
    await once(client, 'connect');
    client.write('PING\r\n');
    const [answer] = await once(client, 'data');
    return !String(answer).startsWith('-LOADING');
  } catch {
    return false; // asked again
  } finally {
    client.destroy();
  }
}
