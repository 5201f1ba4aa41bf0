/** One who has the shared Redis: all rights there, a good memory, and no key. */
import type { Redis } from 'ioredis';
import { silentLog } from '../../../src/log/types.js';
import { connect, hangUp } from '../../../src/redis/connect.js';

/** An entry of a stream as an attacker writes it: names and values, which may be any bytes. */
export type Fields = readonly (string | Buffer)[];

/** A genuine message that was seen in the cluster journal. */
export interface Seen {
  readonly streamId: string;
  readonly fields: readonly string[];
}

export type StreamName = 'journal' | 'once';

/** So many genuine messages are remembered at most; then old ones go for new ones. */
const REMEMBERED = 5000;

export class Attacker {
  readonly redis: Redis;
  /** Orders and reports, oldest first. */
  readonly orders: Seen[] = [];
  readonly reports: Seen[] = [];
  readonly #known = new Set<string>();
  /** What he put there himself, by stream ids. */
  readonly #own = new Set<string>();
  readonly #cluster: string;
  #last = '0-0';

  constructor(socket: string, cluster: string) {
    this.redis = connect({ target: { socket }, role: 'normal', log: silentLog });
    this.#cluster = cluster;
  }

  key(name: string): string {
    return `postern:${this.#cluster}:${name}`;
  }

  /** Remembers what was written since the last look. */
  async look(): Promise<void> {
    for (;;) {
      const entries = await this.redis.xrange(
        this.key('journal'),
        `(${this.#last}`,
        '+',
        'COUNT',
        1000,
      );
      for (const [streamId, fields] of entries) this.#remember({ streamId, fields });
      const last = entries.at(-1)?.[0];
      if (last === undefined) return;
      this.#last = last;
    }
  }

  async inject(stream: StreamName, fields: Fields): Promise<string> {
    const id = String(await this.redis.xadd(this.key(stream), '*', ...fields));
    this.#own.add(id);
    return id;
  }

  dispose(): void {
    hangUp(this.redis);
  }

  #remember(seen: Seen): void {
    const [kind, mac] = [seen.fields[3], seen.fields[13]];
    if (mac === undefined || this.#known.has(mac) || this.#own.has(seen.streamId)) return;
    this.#known.add(mac);
    const list = kind === 'order' ? this.orders : this.reports;
    list.push(seen);
    if (list.length > REMEMBERED) list.splice(0, REMEMBERED / 10);
  }
}
