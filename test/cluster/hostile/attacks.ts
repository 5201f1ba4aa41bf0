/** What one without the key, and with all rights in the shared Redis, can try there. */
import { randomBytes } from 'node:crypto';
import { newClusterKey } from '../../../src/cluster/keys.js';
import { GROUP } from '../../../src/cluster/once-queue.js';
import type { JournalKey } from '../../../src/journal/key.js';
import type { Random } from '../../capture/random.js';
import type { Fields, StreamName } from './attacker.js';
import { type Bench, CLUSTER } from './bench.js';
import type { BenchHost } from './host.js';
import { evilSource, mutated, NO_ADDRESSES, signed, type Unsigned } from './mutations.js';

export interface Stage {
  readonly bench: Bench;
  readonly random: Random;
  /** The cluster's until it was replaced. */
  readonly formerKey: JournalKey;
}

export interface Attack {
  readonly name: string;
  /** How often it is tried, among the others. */
  readonly weight: number;
  /** It takes something away, and may keep honest knocks out meanwhile. */
  readonly isHarmful?: true;
  run(stage: Stage): Promise<unknown>;
}

const FOREIGN_KEY = newClusterKey();
const FRESH_MS = 5 * 60_000;
const TOLERANCE_MS = 2000;
/** What keeps a message from being believed, or acted on; else it would be an honest one. */
const DOORS = [
  ['all', 'everywhere'],
  ['open', 'everywhere'],
  ['one', 'once'],
  ['here', 'here'],
  ['single', 'everywhere'],
  ['mine', 'here'],
] as const;

export async function inject({ bench, random }: Stage, fields: Fields): Promise<void> {
  const streams: StreamName[] = random.chance(3) ? ['journal', 'once'] : ['journal'];
  if (random.chance(4)) streams.reverse().length = 1;
  for (const stream of streams) await bench.attacker.inject(stream, fields);
}

/** A genuine order, a recent one rather than an old one. */
export function genuine({ bench, random }: Stage): readonly string[] {
  const { orders } = bench.attacker;
  const recent = random.chance(2) ? orders.slice(-50) : orders;
  return random.pick(recent).fields;
}

export function anyHost({ bench, random }: Stage): BenchHost {
  return random.pick(bench.running);
}

/** As an honest host would write it for a knock that never was. */
function plausible({ random }: Stage, changes: object = {}): Unsigned {
  const [door, runOn] = random.pick(DOORS);
  const host = random.pick(['b1', 'b2', 'b3', 'ghost']);
  const atMs = Date.now();
  const grant = `${host}-${atMs}-${random.below(2 ** 31)}`;
  const claims = random.chance(2) ? [] : [randomBytes(32).toString('base64url')];
  const order = { type: 'Completed', grant, door, source: evilSource(random), runOn, claims };
  return { kind: 'order', host, atMs, body: { ...order, ...changes } };
}

const own = ({ bench }: Stage) => {
  const [key] = bench.keys;
  if (key === undefined) throw new Error('the cluster has no key');
  return { key, cluster: CLUSTER };
};

export const FORGERIES: readonly Attack[] = [
  {
    name: 'a genuine message that was changed',
    weight: 30,
    run: (stage) => {
      const { attacker } = stage.bench;
      const isReport = stage.random.chance(3) && attacker.reports.length > 0;
      const fields = isReport ? stage.random.pick(attacker.reports).fields : genuine(stage);
      return inject(stage, mutated(fields, stage.random));
    },
  },
  {
    name: 'an order under a foreign key',
    weight: 5,
    run: (stage) => inject(stage, signed(plausible(stage), { key: FOREIGN_KEY, cluster: CLUSTER })),
  },
  {
    name: 'an order under the former key',
    weight: 5,
    run: (stage) =>
      inject(stage, signed(plausible(stage), { key: stage.formerKey, cluster: CLUSTER })),
  },
  {
    name: 'an order of another cluster with the same key',
    weight: 5,
    run: (stage) => inject(stage, signed(plausible(stage), { ...own(stage), cluster: 'other' })),
  },
  {
    name: 'an order that is too old',
    weight: 5,
    run: (stage) => {
      const { random } = stage;
      const [door, runOn] = random.pick(DOORS.slice(0, 3));
      const leastMs = door === 'open' ? 3000 + TOLERANCE_MS + 100 : FRESH_MS + TOLERANCE_MS + 100;
      const order = plausible(stage, { door, runOn });
      const atMs = order.atMs - leastMs - random.below(random.pick([100, 10_000, 10 ** 9]));
      return inject(stage, signed({ ...order, host: 'ghost', atMs }, own(stage)));
    },
  },
  {
    name: 'an order of the future',
    weight: 5,
    run: (stage) => {
      const order = plausible(stage);
      const atMs = order.atMs + stage.random.pick([3_600_000, 86_400_000, 10 ** 12, 8 * 10 ** 14]);
      return inject(stage, signed({ ...order, host: 'ghost', atMs }, own(stage)));
    },
  },
  {
    name: 'an order for a door that is not here, or runs elsewhere',
    weight: 5,
    run: (stage) => {
      const changes = stage.random.pick([
        { door: 'absent' },
        { door: 'here', runOn: 'everywhere' },
        { door: 'here', runOn: 'once' },
        { door: 'all', runOn: 'once' },
        { door: 'one', runOn: 'everywhere' },
        { door: 'mine', runOn: 'everywhere' },
        { runOn: 'here' },
        { runOn: 'everywhere', pending: true },
        { door: 'one', runOn: 'once', pending: true },
      ]);
      const order = plausible(stage, { door: 'all', ...changes });
      return inject(stage, signed({ ...order, host: 'ghost' }, own(stage)));
    },
  },
  {
    name: 'an order for a source that is no address',
    weight: 5,
    run: (stage) => {
      const source = stage.random.pick(NO_ADDRESSES);
      const order = plausible(stage, { source, door: 'all', runOn: 'everywhere' });
      return inject(stage, signed(order, own(stage)));
    },
  },
  {
    name: 'a report that looks like an order, and the other way round',
    weight: 5,
    run: (stage) => {
      const { atMs, body } = plausible(stage, { door: 'all', runOn: 'everywhere' });
      const event = {
        ...{ type: 'Completed', door: 'all', source: evilSource(stage.random) },
        ...{ configuration: 'c1', grant: `b1-${atMs}-1`, from: 'b1', knockedAtMs: atMs },
      };
      const opening = { ...event, type: 'Opening', until: null };
      const [kind, said] = stage.random.pick([
        ['report', body],
        ['report', event],
        ['report', opening],
        ['order', event],
        ['order', opening],
      ] as const);
      return inject(stage, signed({ kind, host: 'ghost', atMs, body: said }, own(stage)));
    },
  },
];

export const REPLAYS: readonly Attack[] = [
  {
    name: 'a genuine order again',
    weight: 15,
    run: async (stage) => {
      const fields = genuine(stage);
      for (let n = stage.random.below(3); n >= 0; n -= 1) await inject(stage, fields);
    },
  },
  {
    name: 'a claim removed, and its order again',
    weight: 3,
    run: async (stage) => {
      const { attacker } = stage.bench;
      const [claim] = await attacker.redis.hkeys(attacker.key('claims'));
      if (claim !== undefined) await attacker.redis.hdel(attacker.key('claims'), claim);
      const invented = randomBytes(32).toString('base64url');
      await attacker.redis.hset(attacker.key('claims'), invented, 'b1-1-1');
      const used = attacker.orders.filter(({ fields }) => !fields[11]?.includes('"claims":[]'));
      if (used.length > 0) await inject(stage, stage.random.pick(used).fields);
    },
  },
  {
    name: 'a grant given to everybody',
    weight: 3,
    run: async (stage) => {
      const { attacker, running } = stage.bench;
      const { redis } = attacker;
      const taken = await redis.keys(attacker.key('taken:*'));
      if (taken.length > 0) await redis.del(stage.random.pick(taken));
      const one = attacker.orders.filter(({ fields }) => fields[11]?.includes('"runOn":"once"'));
      if (one.length === 0) return;
      const { fields } = stage.random.pick(one.slice(-20));
      for (const { name } of running) {
        const id = await attacker.inject('once', fields);
        const claim = redis.xclaim(attacker.key('once'), GROUP, name, 0, id, 'FORCE', 'JUSTID');
        await claim.catch(() => undefined); // the group may just be gone
      }
    },
  },
];

export const TAMPERINGS: readonly Attack[] = [
  {
    name: 'a sign of life that is forged, changed or under another name',
    weight: 3,
    run: async ({ bench, random }) => {
      const { redis, key } = withKeys(bench);
      const beats = await redis.hvals(key('hosts'));
      const beat = random.pick([...beats, 'x']);
      const at = random.below(beat.length);
      const changed = `${beat.slice(0, at)}${random.below(10)}${beat.slice(at + 1)}`;
      const name = random.pick(['b9', 'evil', 'b1;reboot', '', 'x'.repeat(70)]);
      await redis.hset(key('hosts'), name, random.pick([beat, changed, '', 'nonsense']));
      await bench.attacker.inject('journal', ['v', '1', 'k', 'order', 'b', beat]);
    },
  },
  {
    name: 'a head moved',
    weight: 3,
    run: async (stage) => {
      const { redis, key } = withKeys(stage.bench);
      const heads = ['0-1', `${Date.now()}-0`, `${Date.now() - 500}-0`, '9'.repeat(20), 'x', ''];
      await redis.hset(key('heads'), anyHost(stage).name, stage.random.pick(heads));
    },
  },
  {
    name: 'a group that delivers all again',
    weight: 2,
    run: async ({ bench, random }) => {
      const { redis, key } = withKeys(bench);
      const consumer = random.pick(['b1', 'b2', 'b3', 'evil']);
      await redis.xgroup('SETID', key('once'), GROUP, '0').catch(() => undefined);
      await redis.xgroup('CREATECONSUMER', key('once'), GROUP, consumer).catch(() => undefined);
    },
  },
];

function withKeys({ attacker }: Bench) {
  return { redis: attacker.redis, key: (name: string) => attacker.key(name) };
}
