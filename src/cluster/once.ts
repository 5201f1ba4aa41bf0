/** Doors that exactly one host of the cluster acts on: this host's part of their queue. */
import { reasonOf } from '../errors.js';
import type { Log } from '../log/types.js';
import type { Acceptor, DoorHere } from './acceptor.js';
import { type CompletedOrder, TRIGGER_FRESH_MS, type Written } from './orders.js';
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
  /** Whether any host said in the cluster journal that it acts on it. */
  readonly isActedOn: (grant: string) => boolean;
  /** Whether it was not said before. */
  readonly isNews: (grant: string) => boolean;
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
  const { shared, acceptor, doorHere, isActedOn, log, onRejected, wallMs } = options;
  const drop = async (why: string): Promise<void> => {
    onRejected(why);
    await shared.finish(entry);
  };
  const written = orderIn(entry, options);
  if (typeof written === 'string') return await drop(written);
  const { order, host, atMs } = written;
  const fields = { grant: order.grant, door: order.door, source: order.source, from: host };
  const here = doorHere(order.door);
  if (here?.door.runOn !== 'once') {
    // Another host may have the door.
    if (wallMs() - atMs > TRIGGER_FRESH_MS) await shared.finish(entry);
    else await shared.decline(entry);
    return;
  }
  const judgement = acceptor.judge(written, here.door);
  if (judgement.kind !== 'fresh') {
    if (options.isNews(order.grant)) log.error(fields, 'not run: no host could act on it in time');
    return await drop(judgement.kind);
  }
  // A failover that lost who finished it has it delivered again; so may anybody, to no avail.
  if (isActedOn(order.grant)) return await shared.finish(entry);
  if (!(await shared.take(order.grant))) {
    // Whoever has it may not be certain of that yet, and gets it again.
    await shared.decline(entry);
    return;
  }
  // Who has it may have been forgotten there, or made to: what was reported meanwhile counts too.
  if (isActedOn(order.grant)) return await shared.finish(entry);
  try {
    const result = await acceptor.accept(written);
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

/** The order in an entry of the queue, or why there is none to act on. */
function orderIn(entry: OnceEntry, { unseal }: OnceOptions): Written<CompletedOrder> | string {
  const message = unseal(entry);
  if (typeof message === 'string') return message;
  if (message.kind !== 'order' || message.order.type !== 'Completed') return 'unfit';
  const { order, host, atMs } = message;
  // One of the cluster journal's, which somebody put here; `pending`: replicas did not confirm it.
  const isOurs = order.runOn === 'once' && order.pending === undefined;
  return isOurs ? { order, host, atMs } : 'unfit';
}
