/**
 * Watches the elements of postern's set in the kernel, by what `nft monitor` tells: nothing is asked,
 * so it costs the kernel nothing while it waits. An element that the kernel itself ends is not told.
 */
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Network } from '../../test/support/netns.js';
import { Program } from '../../test/support/program.js';
import { wallMs } from './wall.js';

/** `nft monitor` does not say when it listens: it does when it tells of this one. */
const PROBE = '192.0.2.254';
const SET = 'inet postern allow4';
const LINE = /^(add|delete) element inet postern allow4 \{ ([\d.]+) \. /;

export class ElementWatch {
  /** Wall clock ms when each source's element was first there, and when it was last taken out. */
  readonly addedAtMs = new Map<string, number>();
  readonly goneAtMs = new Map<string, number>();
  /** The kernel had more to tell than the monitor's buffer holds. */
  lost = 0;
  most = 0;
  readonly #there = new Set<string>();
  readonly #monitor: Program;

  private constructor(network: Network) {
    this.#monitor = new Program(network.spawn('server', ['nft', '-n', 'monitor', 'elements']));
    const { stdout } = this.#monitor.child;
    if (stdout === null) throw new Error('nft monitor has no output');
    createInterface({ input: stdout }).on('line', (line) => this.#take(line, wallMs()));
    this.#monitor.child.stderr?.on('data', () => {
      this.lost += 1;
    });
  }

  /** The set must be there: start postern first. */
  static async start(network: Network): Promise<ElementWatch> {
    const watch = new ElementWatch(network);
    const probe = `${SET} { ${PROBE} . tcp . 9 }`;
    while (!watch.goneAtMs.has(PROBE)) {
      await network.must('server', ['nft', `add element ${probe}; delete element ${probe}`]);
      await sleep(20);
    }
    for (const times of [watch.addedAtMs, watch.goneAtMs]) times.delete(PROBE);
    watch.most = 0;
    return watch;
  }

  get there(): number {
    return this.#there.size;
  }

  dispose(): Promise<void> {
    return this.#monitor.dispose();
  }

  #take(line: string, atMs: number): void {
    if (line.startsWith('# ERROR')) this.lost += 1;
    const [, verb, source] = LINE.exec(line) ?? [];
    if (source === undefined) return;
    if (verb === 'add') {
      this.#there.add(source);
      this.most = Math.max(this.most, this.#there.size);
      // A deadline that is put right takes it out and in again, in one step.
      if (!this.addedAtMs.has(source)) this.addedAtMs.set(source, atMs);
    } else {
      this.#there.delete(source);
      this.goneAtMs.set(source, atMs);
    }
  }
}

/** What the kernel's set holds, counted by a list. */
export async function countElements(network: Network): Promise<number> {
  const listed = await network.must('server', ['nft', '-n', 'list', 'set', ...SET.split(' ')]);
  return (listed.match(/ expires /g) ?? []).length;
}
