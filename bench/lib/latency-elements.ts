/** When an element comes to be, by what `nft monitor` tells: nothing is asked, so nothing waits. */
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

/** `nft monitor` does not say when it listens: it does when it tells of one of these. */
const TRIES = 100;
const TRY_EVERY_MS = 50;
const TRIED = 'inet ready ready';
/** To be made before the monitor starts: it may never learn of a set that is made just then. */
export const READY_TABLE = 'table inet ready { set ready { type ipv4_addr; }; }';
const LINE = /^add element (\S+ \S+ \S+) \{ ([\d.]+) /;

export class Elements {
  readonly #waiting = new Map<string, (atMs: number) => void>();

  private constructor(told: Readable) {
    createInterface({ input: told }).on('line', (line) => {
      const atMs = performance.now();
      const [, set = '', source = ''] = LINE.exec(line) ?? [];
      const key = keyOf(set, source);
      this.#waiting.get(key)?.(atMs);
      this.#waiting.delete(key);
    });
  }

  /**
   * @param told by `nft -n monitor new elements`
   * @param write takes a line to an nft that runs beside it
   * @throws Error when the monitor does not tell of what is written
   */
  static async watch(told: Readable, write: (line: string) => void): Promise<Elements> {
    const elements = new Elements(told);
    for (let number = 1; number <= TRIES; number++) {
      const source = `198.51.100.${number}`;
      const seen = elements.seen(TRIED, source);
      write(`add element ${TRIED} { ${source} }`);
      if (await Promise.race([seen, sleep(TRY_EVERY_MS, false)])) return elements;
    }
    throw new Error('nft monitor tells nothing');
  }

  /** Milliseconds of this process's clock when the set's next element of that source is told of. */
  seen(set: string, source: string): Promise<number> {
    return new Promise((resolve) => this.#waiting.set(keyOf(set, source), resolve));
  }
}

function keyOf(set: string, source: string): string {
  return `${set} ${source}`;
}
