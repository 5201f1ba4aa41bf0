/** Messages of one host: sealed as they go out, opened as they come in, counted where they do not. */
import { randomInt } from 'node:crypto';
import type { JournalEvent } from '../journal/events.js';
import type { Log } from '../log/types.js';
import { sealMessage, unsealMessage } from './envelope.js';
import type { ClusterKeys, ClusterMessage, Order, Sealed, StreamEntry } from './types.js';

export interface MessengerOptions {
  /** The cluster's name. */
  readonly name: string;
  readonly host: string;
  /** As they are now: they may be replaced. */
  readonly keys: () => ClusterKeys;
  readonly log: Log;
}

export class Messenger {
  #rejected = 0;

  constructor(private readonly options: MessengerOptions) {}

  /** Messages since the start that were not acted on. */
  get rejected(): number {
    return this.#rejected;
  }

  order(order: Order, atMs: number): Sealed {
    const { keys, name, host } = this.options;
    const id = `${atMs}-${newNumber()}`;
    return sealMessage(keys(), name, { kind: 'order', host, id, atMs, order });
  }

  report({ id, host, atMs, ...event }: JournalEvent): Sealed {
    const { keys, name } = this.options;
    return sealMessage(keys(), name, { kind: 'report', id, host, atMs, event });
  }

  /** The message of an entry, or why it is none. */
  open({ fields }: StreamEntry): ClusterMessage | string {
    return unsealMessage(this.options.keys(), this.options.name, fields);
  }

  /** One was not acted on. */
  reject(why: string): void {
    this.#rejected += 1;
    // Whoever writes into the shared Redis must not fill the log as well.
    if (this.#rejected > 10 && this.#rejected % 1000 !== 0) return;
    const { log, name: cluster } = this.options;
    log.error({ cluster, why, rejected: this.#rejected }, 'a message of the cluster was dropped');
  }

  /** A grant id that nobody has given before. */
  newGrant(atMs: number): string {
    return `${this.options.host}-${atMs}-${newNumber()}`;
  }
}

/** Beyond those that a journal counts within a millisecond. */
function newNumber(): number {
  return randomInt(2 ** 47, 2 ** 48 - 1);
}
