/** The events of each host's own journal, held against those that the cluster journal has of it. */
import { unsealMessage } from '../../../src/cluster/envelope.js';
import type { ClusterKeys } from '../../../src/cluster/types.js';
import type { SentinelSetup } from '../../redis/sentinels.js';
import type { BenchHost } from '../hostile/host.js';
import { rolesOf } from './blows.js';

const PAGE = 1000;

/** Ids of the events that the cluster journal has of each host, in its order. */
export async function reportsIn(
  setup: SentinelSetup,
  cluster: string,
  keys: ClusterKeys,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const { primary } = await rolesOf(setup);
  const reports = new Map<string, string[]>();
  await setup.ask(primary, async (redis) => {
    for (let after = '-'; ; ) {
      const key = `postern:${cluster}:journal`;
      const entries = await redis.xrange(key, after, '+', 'COUNT', PAGE);
      for (const [, fields] of entries) {
        const message = unsealMessage(keys, cluster, fields);
        if (typeof message === 'string') throw new Error(`an entry is ${message}`);
        if (message.kind !== 'report') continue;
        const list = reports.get(message.host) ?? [];
        reports.set(message.host, list);
        list.push(message.id);
      }
      const last = entries.at(-1)?.[0];
      if (last === undefined || entries.length < PAGE) return;
      after = `(${last}`;
    }
  });
  return reports;
}

export async function ownEvents(host: BenchHost): Promise<string[]> {
  const ids: string[] = [];
  for await (const event of host.journal.read()) if (event.host === host.name) ids.push(event.id);
  return ids;
}

/** The first place where two lists are not the same; undefined: they are. */
export function difference(own: readonly string[], told: readonly string[]): string | undefined {
  const at = own.findIndex((id, index) => told[index] !== id);
  if (at < 0 && own.length === told.length) return undefined;
  const place = at < 0 ? own.length : at;
  const twice = told.length - new Set(told).size;
  const lost = own.filter((id) => !told.includes(id)).length;
  return `${own.length} of its own, ${told.length} told (${twice} twice, ${lost} lost), from ${place} on`;
}
