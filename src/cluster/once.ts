/** Doors that exactly one host of the cluster acts on: this host's part of their queue. */
import { reasonOf } from '../errors.js';
import type { Log } from '../log/types.js';
import type { Acceptor, DoorHere } from './acceptor.js';
import { TRIGGER_FRESH_MS } from './orders.js';
import type { ClusterMessage, OnceEntry, SharedRedis, StreamEntry } from './types.js';

export interface OnceOptions {
  readonly shared: Pick<SharedRedis, 'once' | 'take' | 'decline' | 'finish'>;
  readonly unseal: (entry: StreamEntry) => ClusterMessage | string;
  readonly acceptor: Acceptor;
  readonly doorHere: (name: string) => DoorHere | undefined;
  readonly log: Log;
  readonly onRejected: (why: string) => void;
  /** This host acts on it. */
  readonly onOpening: (source: string, door: string) => void;
  readonly wallMs: () => number;
}

/** Acts on what the queue gives to this host, until the signal aborts. */
export async function workOnce(options: OnceOptions, signal: AbortSignal): Promise<void> {
  for await (const entry of options.shared.once(signal)) {
    // Not waited for: one that is slow keeps none behind it.
    actOn(entry, options).catch((error: unknown) => {
      options.log.warn({ reason: reasonOf(error) }, 'a door that one host acts on has to wait');
    });
  }
}

async function actOn(entry: OnceEntry, options: OnceOptions): Promise<void> {
  const { shared, unseal, acceptor, doorHere, log, onRejected, wallMs } = options;
  const message = unseal(entry);
  if (
    typeof message === 'string' ||
    message.kind !== 'order' ||
    message.order.type !== 'Completed'
  ) {
    onRejected(typeof message === 'string' ? message : 'unfit');
    await shared.finish(entry);
    return;
  }
  const { order, host, atMs } = message;
  const fields = { grant: order.grant, door: order.door, source: order.source, from: host };
  const here = doorHere(order.door);
  if (here?.door.runOn !== 'once' || order.runOn !== 'once') {
    // Another host may have the door.
    if (wallMs() - atMs > TRIGGER_FRESH_MS) await shared.finish(entry);
    else await shared.decline(entry);
    return;
  }
  const judgement = acceptor.judge({ order, host, atMs }, here.door);
  if (judgement.kind !== 'fresh') {
    onRejected(judgement.kind);
    log.error(fields, 'not run: no host could act on it in time');
    await shared.finish(entry);
    return;
  }
  if (!(await shared.take(order.grant))) {
    // Whoever has it may not be certain of that yet, and gets it again.
    await shared.decline(entry);
    return;
  }
  try {
    const result = await acceptor.accept({ order, host, atMs });
    if (result.kind === 'opening') {
      options.onOpening(order.source, order.door);
      log.info(fields, 'this host acts on it for the cluster');
    }
  } catch (error) {
    // Whether it was made durable is not known, so nobody may try again: at most once.
    log.error({ ...fields, reason: reasonOf(error) }, 'not run: it could not be journalled');
  }
  await shared.finish(entry);
}
