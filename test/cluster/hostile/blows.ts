/** What an attacker does to whole streams and servers, to hosts' private Redis, and beside restarts. */
import { Queue } from 'bullmq';
import { newClusterKey } from '../../../src/cluster/keys.js';
import { type JobBody, signJob } from '../../../src/jobs/job-data.js';
import { seal } from '../../../src/journal/seal.js';
import { silentLog } from '../../../src/log/types.js';
import { connect, hangUp } from '../../../src/redis/connect.js';
import { type Attack, anyHost, genuine, inject, type Stage } from './attacks.js';
import type { BenchHost } from './host.js';
import { evilSource } from './mutations.js';

const FOREIGN_KEY = newClusterKey();

/** Many genuine orders again, into the cluster journal and the queue. */
async function replay(stage: Stage, count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) await inject(stage, genuine(stage));
}

/** An event of a grant that nobody gave, as only its host could write it. */
function eventOf({ bench, random }: Stage, id: string, host: string) {
  const atMs = Date.now();
  const names = { door: random.pick(['all', 'open', 'one']), source: evilSource(random) };
  const [seen] = bench.executions.slice(-1);
  const grant = random.chance(2) && seen ? seen.grant : `ghost-${atMs}-1`;
  const completed = { type: 'Completed', ...names, configuration: 'c1', grant } as const;
  return { ...completed, from: 'ghost', knockedAtMs: atMs, id, host, atMs };
}

async function addJob(host: BenchHost, name: 'open' | 'close', data: object): Promise<void> {
  const socket = String(host.admin.options.path);
  const connection = connect({ target: { socket }, role: 'worker', log: silentLog });
  const queue = new Queue(name, { connection, prefix: 'postern' });
  try {
    await queue.add(name, data, { removeOnComplete: true, removeOnFail: true });
  } finally {
    await queue.close();
    hangUp(connection);
  }
}

/** Of a grant of this host's, or of none. */
function jobOf({ random }: Stage, host: BenchHost): JobBody {
  const kind = random.pick(['open', 'close'] as const);
  const seen = host.executions.length > 0 ? random.pick(host.executions) : undefined;
  const grant = seen?.grant ?? 'b1-1-1';
  const source = seen?.source ?? evilSource(random);
  return { kind, grant, door: seen?.door ?? 'all', source, round: random.below(3) };
}

/** In the Redis of one host, which nobody but that host's own user ought to reach. */
export const LOCAL: readonly Attack[] = [
  {
    name: 'a forged job for a grant of the cluster',
    weight: 2,
    run: (stage) => {
      const host = anyHost(stage);
      const job = jobOf(stage, host);
      const mac = stage.random.pick(['', 'A'.repeat(43), signJob(FOREIGN_KEY, job).mac]);
      return addJob(host, job.kind, { ...job, mac });
    },
  },
  {
    name: 'a genuine job to open again',
    weight: 2,
    run: (stage) => {
      const host = anyHost(stage);
      const job = { ...jobOf(stage, host), kind: 'open' } as const;
      return addJob(host, 'open', signJob(host.ownKey, job));
    },
  },
  {
    name: 'claims of the cluster that a host remembers, removed',
    weight: 1,
    run: async (stage) => {
      const { admin } = anyHost(stage);
      const [claim] = await admin.hkeys('postern:cluster-claims');
      if (claim !== undefined) await admin.hdel('postern:cluster-claims', claim);
      await replay(stage, 3);
    },
  },
  {
    name: 'forged and copied events in the journal of a host',
    weight: 1,
    isHarmful: true,
    run: async (stage) => {
      const { random, bench } = stage;
      const host = anyHost(stage);
      const { admin, ownKey, name } = host;
      const other = await anyHost(stage).admin.xrevrange('postern:journal', '+', '-', 'COUNT', 5);
      const copied = other.length > 0 ? random.pick(other)[1] : [];
      const signedBy = (key: typeof ownKey, id: string) =>
        seal(key, eventOf(stage, id, name)).fields;
      const fields = random.pick([
        copied,
        genuine(stage),
        signedBy(FOREIGN_KEY, '1-1'),
        // Another place than the one that was signed.
        signedBy(ownKey, '1-1'),
        signedBy(bench.keys[0] ?? ownKey, '1-1'),
      ]);
      if (fields.length > 0) await admin.xadd('postern:journal', '*', ...fields);
    },
  },
];

export const BLOWS: readonly Attack[] = [
  {
    name: 'FLUSHALL, then genuine orders again',
    weight: 3,
    isHarmful: true,
    run: async (stage) => {
      await stage.bench.attacker.redis.flushall();
      await replay(stage, 30);
    },
  },
  {
    name: 'a journal in disorder',
    weight: 3,
    isHarmful: true,
    run: async (stage) => {
      const { attacker } = stage.bench;
      const entries = await attacker.redis.xrevrange(
        attacker.key('journal'),
        '+',
        '-',
        'COUNT',
        200,
      );
      await attacker.redis.del(attacker.key('journal'));
      while (entries.length > 0) {
        const [entry] = entries.splice(stage.random.below(entries.length), 1);
        if (entry !== undefined) await attacker.inject('journal', entry[1]);
      }
    },
  },
  {
    name: 'a queue without its group, its entries in the journal',
    weight: 3,
    isHarmful: true,
    run: async (stage) => {
      const { attacker } = stage.bench;
      const entries = await attacker.redis.xrange(attacker.key('once'), '-', '+');
      await attacker.redis.del(attacker.key('once'));
      for (const [, fields] of entries) await attacker.inject('journal', fields);
      await replay(stage, 5);
    },
  },
  {
    name: 'keys of another type',
    weight: 2,
    isHarmful: true,
    run: async (stage) => {
      const { attacker } = stage.bench;
      const name = stage.random.pick(['claims', 'heads', 'hosts', 'once', 'journal']);
      await attacker.redis.set(attacker.key(name), 'x');
      await stage.bench.knock(anyHost(stage), stage.random.pick(['all', 'one', 'single']));
      await attacker.redis.del(attacker.key(name));
      await replay(stage, 10);
    },
  },
  {
    name: 'a host that ends, and genuine orders again when it is back',
    weight: 4,
    isHarmful: true,
    run: async (stage) => {
      const host = anyHost(stage);
      if (stage.random.chance(5)) await host.crash();
      else await host.stop();
      await replay(stage, 5);
      await host.start();
      await replay(stage, 30);
    },
  },
  {
    name: 'a host that ends and finds its journal gone, its sets kept',
    weight: 2,
    isHarmful: true,
    run: async (stage) => {
      const host = anyHost(stage);
      await host.stop();
      await host.admin.del('postern:journal');
      host.hasForgotten = true;
      await host.start();
      await replay(stage, 50);
    },
  },
];

/** What makes a host forget what it accepted; it is not started again after that. */
export const AMNESIA: readonly Attack[] = [
  {
    name: 'FLUSHALL of a host that goes on, and genuine orders again',
    weight: 1,
    isHarmful: true,
    run: async (stage) => {
      // One that lost its journal in an earlier run has no other memory of that run.
      const hosts = stage.bench.running.filter(({ hasForgotten }) => !hasForgotten);
      if (hosts.length === 0) return;
      const { admin } = stage.random.pick(hosts);
      if (stage.random.chance(2)) await admin.flushall();
      else await admin.del('postern:accepted');
      await replay(stage, 50);
    },
  },
];
