import assert from 'node:assert/strict';
import fc from 'fast-check';
import { sealMessage, sealText, unsealMessage, unsealText } from '../../../src/cluster/envelope.js';
import type { ClusterMessage, Order } from '../../../src/cluster/types.js';
import type { EventBody } from '../../../src/journal/events.js';
import { keys, keysOf, order, range, scale } from './support.js';

const SEED = scale('ENVELOPE_SEED', Math.floor(Math.random() * 2 ** 31));
const RUNS = scale('ENVELOPE_RUNS', 2000);

const name = fc.stringMatching(/^[A-Za-z0-9._-]{1,64}$/);
const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 30 });
const claim = fc.stringMatching(/^[A-Za-z0-9_-]{43}$/);
const source = fc.oneof(
  fc.ipV4(),
  fc.constantFrom('2001:db8::1', '::', '::1', '::c000:201', 'fe80::1:0:0:1'),
);
const id = fc.tuple(fc.nat(), fc.nat()).map(([ms, seq]) => `${ms}-${seq}`);
const grant = fc.tuple(name, id).map((parts) => parts.join('-'));

const orders: fc.Arbitrary<Order> = fc.oneof(
  fc.record(
    {
      type: fc.constant('Completed' as const),
      grant,
      door: text,
      source,
      runOn: fc.constantFrom('here' as const, 'everywhere' as const, 'once' as const),
      claims: fc.array(claim, { maxLength: 2 }),
      pending: fc.constant(true as const),
    },
    { requiredKeys: ['type', 'grant', 'door', 'source', 'runOn', 'claims'] },
  ),
  fc.record({ type: fc.constant('Confirmed' as const), grant }),
  fc.record(
    { type: fc.constant('Revoked' as const), door: text, source, host: name },
    { requiredKeys: ['type', 'door', 'source'] },
  ),
);
const events: fc.Arbitrary<EventBody> = fc.oneof(
  fc.record({
    type: fc.constant('Completed' as const),
    door: text,
    source,
    configuration: text,
  }),
  fc.record({ type: fc.constant('HostStopped' as const) }),
  fc.record({
    type: fc.constant('ConfigurationLoaded' as const),
    configuration: text,
    doors: fc.array(text),
  }),
);
const framed = { host: name, id, atMs: fc.maxSafeNat() };
const messages: fc.Arbitrary<ClusterMessage> = fc.oneof(
  fc.record({ kind: fc.constant('order' as const), ...framed, order: orders }),
  fc.record({ kind: fc.constant('report' as const), ...framed, event: events }),
);

/** Something else for one of the fields, or other fields altogether. */
const mutations = fc.tuple(fc.nat(13), fc.oneof(text, fc.constant(''), id, fc.nat().map(String)));

describe('a sealed message', () => {
  before(() => console.log(`      ENVELOPE_SEED=${SEED} ENVELOPE_RUNS=${RUNS}`));
  const parameters = { seed: SEED, numRuns: RUNS };

  it('comes out as it went in', () => {
    fc.assert(
      fc.property(messages, text, (message, cluster) => {
        const fields = sealMessage(keys, cluster, message);
        assert.deepEqual(unsealMessage(keys, cluster, fields), JSON.parse(JSON.stringify(message)));
      }),
      parameters,
    );
  });

  it('is taken with no field changed, whichever and however (T5)', () => {
    fc.assert(
      fc.property(messages, mutations, (message, [at, value]) => {
        const fields = [...sealMessage(keys, 'demo', message)];
        if (fields[at] === value) return;
        fields[at] = value;
        assert.equal(typeof unsealMessage(keys, 'demo', fields), 'string');
      }),
      parameters,
    );
  });

  it('is taken with no character changed', () => {
    fc.assert(
      fc.property(messages, fc.nat(), fc.nat(), (message, where, bit) => {
        const fields = [...sealMessage(keys, 'demo', message)];
        const at = where % fields.length;
        const characters = [...(fields[at] ?? '')];
        const position = bit % characters.length;
        characters[position] = String.fromCodePoint(
          (characters[position]?.codePointAt(0) ?? 0) ^ 1,
        );
        fields[at] = characters.join('');
        assert.equal(typeof unsealMessage(keys, 'demo', fields), 'string');
      }),
      parameters,
    );
  });

  it('never makes its reader throw, whatever it is', () => {
    const anything = fc.array(fc.string({ unit: 'binary' }), { maxLength: 20 });
    fc.assert(
      fc.property(anything, (fields) => {
        assert.equal(unsealMessage(keys, 'demo', fields), 'malformed');
      }),
      parameters,
    );
    const hostile = ['\ud800', '__proto__', '{"__proto__":1}', '9'.repeat(30), 'NaN', '-1', ' 1'];
    for (const value of hostile) {
      for (const at of range(14)) {
        const fields = sealMessage(keys, 'demo', order(1)).map((f, i) => (i === at ? value : f));
        assert.equal(typeof unsealMessage(keys, 'demo', fields), 'string', `${value} at ${at}`);
      }
    }
  });

  it('is nothing in another cluster, nor under another key', () => {
    const fields = sealMessage(keys, 'demo', order(1));
    assert.equal(unsealMessage(keys, 'other', fields), 'forged');
    assert.equal(unsealMessage(keysOf(8), 'demo', fields), 'forged');
    assert.equal(unsealMessage({ ...keys, all: [] }, 'demo', fields), 'forged');
  });

  it('is signed by the first key and taken under either, while one is rolled out', () => {
    const rotation = [keysOf(1), keysOf(1, 2), keysOf(2, 1), keysOf(2)];
    for (const [index, writer] of rotation.entries()) {
      const fields = sealMessage(writer, 'demo', order(1));
      for (const [other, reader] of rotation.entries()) {
        const taken = typeof unsealMessage(reader, 'demo', fields) !== 'string';
        const isNeighbour = Math.abs(index - other) <= 1;
        if (isNeighbour) assert.ok(taken, `${index} -> ${other}`);
      }
    }
    assert.equal(
      unsealMessage(keysOf(2), 'demo', sealMessage(keysOf(1, 2), 'demo', order(1))),
      'forged',
    );
  });

  it('says that it was written by a newer postern', () => {
    const fields = sealMessage(keys, 'demo', order(1)).map((f, at) => (at === 1 ? '2' : f));
    assert.equal(unsealMessage(keys, 'demo', fields), 'newer');
    assert.equal(unsealMessage(keys, 'demo', ['v', '2', 'what', 'ever']), 'newer');
    assert.equal(unsealMessage(keys, 'demo', ['v', '02', 'what', 'ever']), 'malformed');
  });

  it('is not written when another host would not take it', () => {
    const right = {
      type: 'Completed',
      grant: 'a-1-1',
      door: 'ssh',
      runOn: 'here',
      claims: [],
    } as const;
    const source = '192.0.2.1';
    assert.ok(sealMessage(keys, 'demo', order(1, { order: { ...right, source } })));
    const wrong: readonly Order[] = [
      { ...right, source: '192.0.2.01' },
      { ...right, source: '::ffff:192.0.2.1' },
      { ...right, source: '2001:DB8::1' },
      { ...right, source: 'fe80::1%eth0' },
      { ...right, source: '192.0.2.1; reboot' },
      { ...right, source, door: 'x'.repeat(1025) },
      { ...right, source, door: '' },
      { ...right, source, grant: 'a:b' },
      { ...right, source, claims: ['short'] },
    ];
    for (const body of wrong) {
      const message = order(1, { order: body });
      assert.throws(() => sealMessage(keys, 'demo', message), { code: 'POSTERN_E_CLUSTER' });
    }
    for (const frame of [{ host: 'a b' }, { host: 'x'.repeat(65) }, { id: '5' }, { atMs: -1 }]) {
      const message = order(1, frame);
      assert.throws(() => sealMessage(keys, 'demo', message), { code: 'POSTERN_E_CLUSTER' });
    }
  });

  it('tells nothing of an event but what belongs to it', () => {
    const event = { type: 'HostStopped', host: 'alpha', id: '1-1', sequence: 45678 } as const;
    const message = { kind: 'report', host: 'alpha', id: '1-1', atMs: 1, event } as const;
    assert.ok(!sealMessage(keys, 'demo', message).join().includes('45678'));
  });
});

describe('a sealed text', () => {
  const parameters = { seed: SEED, numRuns: RUNS };

  it('comes out as it went in, for its purpose and cluster alone', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (plain) => {
        const sealed = sealText(keys, 'demo', 'beat', plain);
        assert.equal(unsealText(keys, 'demo', 'beat', sealed), plain);
        assert.equal(unsealText(keysOf(1, 7), 'demo', 'beat', sealed), plain);
        assert.equal(unsealText(keys, 'demo', 'other', sealed), undefined);
        assert.equal(unsealText(keys, 'other', 'beat', sealed), undefined);
        assert.equal(unsealText(keysOf(8), 'demo', 'beat', sealed), undefined);
        assert.equal(unsealText(keys, 'demo', 'beat', `${sealed}x`), undefined);
        assert.equal(unsealText(keys, 'demo', 'beat', sealed.slice(1)), undefined);
      }),
      parameters,
    );
  });

  it('never makes its reader throw', () => {
    const anything = fc.string({ unit: 'binary', maxLength: 100 });
    fc.assert(
      fc.property(anything, (sealed) => {
        assert.equal(unsealText(keys, 'demo', 'beat', sealed), undefined);
      }),
      parameters,
    );
  });
});
