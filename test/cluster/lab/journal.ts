/** The cluster journal as it stands in the shared Redis, with the lab's key. */
import { unsealMessage } from '../../../src/cluster/envelope.js';
import type { ClusterMessage } from '../../../src/cluster/types.js';
import { CLUSTER, type Cluster } from './cluster.js';

type Report = ClusterMessage & { readonly kind: 'report' };
type Written = ClusterMessage & { readonly kind: 'order' };

/** Every message, oldest first. Throws when one does not verify. */
async function messagesIn({ redis, key }: Cluster): Promise<ClusterMessage[]> {
  const inside = redis.connect();
  const entries = await inside.xrange(`postern:${CLUSTER}:journal`, '-', '+');
  redis.leave(inside);
  return entries.map(([id, fields]) => {
    const message = unsealMessage({ signing: key, all: [key] }, CLUSTER, fields);
    if (typeof message === 'string') throw new Error(`${id} in the cluster journal: ${message}`);
    return message;
  });
}

/** What a host forwarded of its own journal. */
export async function reportsOf(cluster: Cluster, host: string): Promise<Report[]> {
  const messages = await messagesIn(cluster);
  return messages.filter((each): each is Report => each.kind === 'report' && each.host === host);
}

export async function ordersIn(cluster: Cluster): Promise<Written[]> {
  const messages = await messagesIn(cluster);
  return messages.filter((each): each is Written => each.kind === 'order');
}
