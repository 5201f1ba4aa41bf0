/** T5 without a Redis: what is not ours, or not as we wrote it, is nothing; and no reader throws. */
import assert from 'node:assert/strict';
import { createSecretKey } from 'node:crypto';
import { type Beat, sealBeat, unsealBeat } from '../../src/cluster/beat.js';
import { sealMessage, unsealMessage } from '../../src/cluster/envelope.js';
import { signReminder, verifyReminder } from '../../src/deliveries/job-data.js';
import { signJob, verifyJob } from '../../src/jobs/job-data.js';
import type { JournalEvent } from '../../src/journal/events.js';
import { seal, unseal } from '../../src/journal/seal.js';
import type { Random } from '../capture/random.js';
import { anyJson, fuzz, mutatedText } from './support.js';

const key = createSecretKey(Buffer.alloc(32, 7));
const keys = { signing: key, all: [key] };

const NAMES = ['ssh', '__proto__', 'constructor', 'a door', '\u202e', '{"x":1}', 'é'.repeat(500)];

function anyEvent(random: Random): JournalEvent {
  const frame = {
    id: `${random.below(1e9)}-${random.below(9)}`,
    host: random.pick(NAMES),
    atMs: 5,
  };
  const names = { grant: 'h-1-0', door: random.pick(NAMES), source: '192.0.2.1' };
  const { grant, door, source } = names;
  const configuration = 'c';
  switch (random.below(5)) {
    case 0:
      return { ...frame, type: 'Completed', door, source, configuration };
    case 1:
      return { ...frame, type: 'Opening', ...names, configuration, until: null };
    case 2:
      return { ...frame, type: 'OpenFailed', grant, sink: 'exec', until: 9, reason: door };
    case 3:
      return { ...frame, type: 'ConfigurationLoaded', configuration, doors: NAMES };
    default: {
      const counts = { begun: 1, spoiled: 0, expired: 2 };
      // zod leaves a member `__proto__` out of a record: that door's counts are not told.
      const name = door === '__proto__' ? 'ssh' : door;
      return { ...frame, type: 'Counted', doors: Object.fromEntries([[name, counts]]) };
    }
  }
}

/** Another list of texts: one of them changed, or some added, left out or in another place. */
function changed(random: Random, fields: readonly string[]): readonly string[] {
  const made = [...fields];
  const at = random.below(made.length);
  const how = random.below(12);
  if (how === 0) made.splice(at, 1 + random.below(3));
  else if (how === 1) made.splice(at, 0, JSON.stringify(anyJson(random)));
  else if (how === 2) made.reverse();
  else made[at] = mutatedText(random, made[at] ?? '');
  return made;
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((each, at) => each === other[at]);
}

describe('what comes out of a hostile Redis', () => {
  fuzz(
    'gives every event as it was sealed, also with names that objects inherit',
    300,
    (random) => {
      const event = anyEvent(random);
      assert.deepEqual(unseal(key, seal(key, event)), event);
    },
  );

  fuzz('gives no event that was not sealed', 2000, (random) => {
    const { id, fields } = seal(key, anyEvent(random));
    const other = { id: random.chance(4) ? mutatedText(random, id) : id, fields };
    const made =
      random.chance(4) && other.id !== id ? other : { id, fields: changed(random, fields) };
    if (made.id === id && isSame(made.fields, fields)) return;
    assert.equal(typeof unseal(key, made), 'string');
  });

  fuzz('gives no order or report that was not sealed', 1000, (random) => {
    const event = { type: 'HostStopped' as const };
    const fields = sealMessage(keys, 'demo', {
      ...{ kind: 'report', host: 'a', id: '1-1', atMs: 1, event },
    });
    const made = changed(random, fields);
    if (!isSame(made, fields)) assert.equal(typeof unsealMessage(keys, 'demo', made), 'string');
  });

  fuzz('gives no beat that was not sealed, nor under the name of another host', 1000, (random) => {
    const beat: Beat = {
      ...{ host: 'a', instance: 'i', counter: 1, atMs: 1, aheadMs: 0, version: '1' },
      ...{ doors: [[random.pick(NAMES), 'digest']], stopping: false },
    };
    const sealed = sealBeat(keys, 'demo', beat);
    assert.deepEqual(unsealBeat(keys, 'demo', 'a', sealed), beat);
    assert.equal(unsealBeat(keys, 'demo', 'b', sealed), 'foreign');
    const made = random.chance(10) ? JSON.stringify(anyJson(random)) : mutatedText(random, sealed);
    if (made !== sealed) assert.equal(unsealBeat(keys, 'demo', 'a', made), 'foreign');
  });

  fuzz('gives no job of either queue that was not signed', 2000, (random) => {
    const names = { grant: 'h-1-0', door: random.pick(NAMES), source: '192.0.2.1' };
    const job = signJob(key, { kind: 'open', ...names, round: 1 });
    const name = { grant: names.grant, sink: 'webhook:a', event: 'failed', about: 'x' } as const;
    const reminder = signReminder(key, { name, attempt: 2 });
    for (const [signed, verify] of [
      [job, (data: unknown) => verifyJob(key, 'open', data)],
      [reminder, (data: unknown) => verifyReminder(key, data)],
    ] as const) {
      assert.notEqual(verify(JSON.parse(JSON.stringify(signed))), undefined);
      assert.equal(verify(anyJson(random)), undefined);
      const member = random.pick(Object.keys(signed));
      const value = new Map<string, unknown>(Object.entries(signed)).get(member);
      const other = random.chance(2) ? anyJson(random) : mutatedText(random, String(value));
      const edited: unknown = { ...signed, [member]: other };
      if (other !== value) assert.equal(verify(edited), undefined, `${member}: ${String(other)}`);
      const { mac: _, ...unsigned }: { mac?: string } = signed;
      assert.equal(verify(unsigned), undefined);
    }
  });

  it('refuses what would fill the memory, without a throw', function () {
    this.timeout(30_000);
    const { id, fields } = seal(
      key,
      anyEvent({ below: () => 0, pick: ([x]) => x, chance: () => false } as Random),
    );
    const long = '"'.repeat(300_000_000);
    for (const at of [1, 3, 5, 7, 9]) {
      const made = fields.map((field, index) => (index === at ? long : field));
      assert.equal(typeof unseal(key, { id, fields: made }), 'string', `field ${at}`);
    }
  });
});
