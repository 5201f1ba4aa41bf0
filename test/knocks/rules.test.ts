import assert from 'node:assert/strict';
import { DoorTable, type MatchDoor, type MatchRules } from '../../machines/doors.js';
import type { Packet } from '../../machines/types.js';
import { Knocks } from '../../src/knocks/knocks.js';
import type { KnockEvent } from '../../src/knocks/types.js';

const RULES: MatchRules = { strayLimit: 3, scanLimit: 20, ignorePorts: [] };
const ANY = { required: 0, excluded: 0 };
const SYN = { required: 2, excluded: 0 };
const LIMITS = { maxSources: 1000, maxMachines: 100 };

function door(name: string, ports: string, more: Partial<MatchDoor> = {}): MatchDoor {
  const knocks = ports.split(',').map((text) => {
    const [port, protocol] = text.split(':');
    return {
      port: Number(port),
      protocol: protocol === 'udp' ? ('udp' as const) : ('tcp' as const),
    };
  });
  return { name, knocks, seqTimeoutMs: 10_000, tcpFlags: ANY, ...more };
}

/** Sends packets to doors and reads what happened; times count up by 100 ms unless given. */
function bench(doors: readonly MatchDoor[], rules: Partial<MatchRules> = {}, limits = LIMITS) {
  const events: KnockEvent[] = [];
  let nowMs = 1000;
  let serial = 0;
  const knocks = new Knocks(new DoorTable(doors, { ...RULES, ...rules }), {
    host: { isLocal: (a) => a === '192.0.2.1', isListening: (_, port) => port === 22 },
    limits,
    onEvent: (event) => events.push(event),
  });
  return {
    knocks,
    hit(port: number, more: Partial<Packet> = {}) {
      nowMs = more.atMs ?? nowMs + 100;
      serial++;
      knocks.packet({
        atMs: nowMs,
        source: '198.51.100.1',
        destination: '192.0.2.1',
        protocol: 'tcp',
        sourcePort: 40000 + (serial % 20000),
        port,
        flags: 2,
        sequence: serial,
        interfaceIndex: 0,
        ...more,
      });
    },
    opened: () => events.filter((e) => e.kind === 'completed').map((e) => e.door.name),
    events,
    told: () => events.map((e) => `${e.kind} ${e.stage}${e.reason ? ` ${e.reason}` : ''}`),
  };
}

describe('matching rules', () => {
  it('M1: a door listens to its target, or to the addresses of this host', () => {
    const b = bench([door('here', '7,8'), door('there', '7,8', { target: '203.0.113.5' })]);
    for (const port of [7, 8]) b.hit(port, { destination: '192.0.2.99' });
    assert.deepEqual(b.opened(), []);
    for (const port of [7, 8]) b.hit(port, { destination: '203.0.113.5' });
    assert.deepEqual(b.opened(), ['there']);
    for (const port of [7, 8]) b.hit(port);
    assert.deepEqual(b.opened(), ['there', 'here']);
  });

  it('M2: flags that do not satisfy neither advance nor spoil', () => {
    const b = bench([door('d', '7,8', { tcpFlags: SYN })]);
    b.hit(7);
    b.hit(8, { flags: 16 });
    b.hit(7, { flags: 4 });
    b.hit(8);
    assert.deepEqual(b.opened(), ['d']);
  });

  it('M3: a second door is begun while an attempt at a first is under way', () => {
    const b = bench([door('a', '7,8,9'), door('b', '8,9,10')]);
    for (const port of [7, 8, 9, 10]) b.hit(port);
    assert.deepEqual(b.opened(), ['a', 'b']);
  });

  it('M4, M9, M10: the last knock completes, and the door is ready again at once', () => {
    const b = bench([door('d', '7,8,9')]);
    for (const port of [7, 8, 9, 7, 8, 9]) b.hit(port);
    assert.deepEqual(b.opened(), ['d', 'd']);
    assert.equal(b.knocks.counts().machines, 0);
  });

  it('M5: a retransmission is ignored, even where the same port comes next', () => {
    const b = bench([door('d', '7,7,8')]);
    b.hit(7, { sourcePort: 1, sequence: 1 });
    b.hit(7, { sourcePort: 1, sequence: 1 });
    b.hit(8);
    assert.deepEqual(b.opened(), []);
    b.hit(7, { sourcePort: 1, sequence: 1 });
    b.hit(7, { sourcePort: 2, sequence: 2 });
    b.hit(7, { sourcePort: 1, sequence: 1 });
    b.hit(8);
    assert.deepEqual(b.opened(), ['d']);
  });

  it('M5: a repeat of the knock just counted is ignored', () => {
    const b = bench([door('d', '7,8:udp,9')]);
    b.hit(7);
    b.hit(8, { protocol: 'udp', flags: 0 });
    b.hit(8, { protocol: 'udp', flags: 0 });
    b.hit(9);
    assert.deepEqual(b.opened(), ['d']);
  });

  it('M6: a wrong knock spoils, also one of another door', () => {
    const b = bench([door('d', '7,8,9'), door('e', '50,51')]);
    for (const port of [7, 8, 51, 9]) b.hit(port);
    assert.deepEqual(b.opened(), []);
    assert.deepEqual(b.told(), ['begun 1', 'advanced 2', 'spoiled 2 wrong knock']);
  });

  it('M7: more stray ports than the limit spoil; listening ports and repeats do not count', () => {
    const b = bench([door('d', '7,8')]);
    for (const port of [7, 100, 101, 102, 102, 22, 8]) b.hit(port);
    assert.deepEqual(b.opened(), ['d']);
    for (const port of [7, 110, 111, 112, 113, 8]) b.hit(port);
    assert.deepEqual(b.opened(), ['d']);
    assert.equal(b.told().at(-1), 'spoiled 1 stray');
  });

  it('M7: a scanning source begins no attempt until it has been quiet for the timeout', () => {
    const b = bench([door('d', '7,8')]);
    for (let port = 100; port <= 120; port++) b.hit(port);
    b.hit(7);
    b.hit(8);
    assert.deepEqual(b.opened(), []);
    assert.equal(b.told().at(-1), 'refused 0');
    const quietMs = 1000 + 21 * 100 + 10_000;
    b.hit(7, { atMs: quietMs - 1 });
    b.hit(8, { atMs: quietMs });
    assert.deepEqual(b.opened(), []);
    b.hit(7, { atMs: quietMs + 1 });
    b.hit(8);
    assert.deepEqual(b.opened(), ['d']);
  });

  it('M8: the deadline is exact', () => {
    const b = bench([door('d', '7,8')]);
    b.hit(7, { atMs: 5000 });
    b.hit(8, { atMs: 14_999.9 });
    b.hit(7, { atMs: 20_000 });
    b.hit(8, { atMs: 30_000 });
    assert.deepEqual(b.opened(), ['d']);
  });

  it('M8: an attempt that times out is told of without another packet', () => {
    const b = bench([door('d', '7,8,9')]);
    b.hit(7, { atMs: 5000 });
    b.hit(8, { atMs: 6000 });
    b.hit(7, { atMs: 5000, source: '198.51.100.2' });
    assert.equal(b.knocks.nextDeadlineMs(), 15_000);
    b.knocks.advance(15_000);
    assert.deepEqual(b.told().sort(), [
      'advanced 2',
      'begun 1',
      'begun 1',
      'expired 1',
      'expired 2',
    ]);
    assert.equal(b.knocks.nextDeadlineMs(), Number.POSITIVE_INFINITY);
  });

  it('M11: nobody finishes a new sequence on the stages of an old one', () => {
    const old = door('d', '7,8,9');
    const next = door('d', '7,10,11');
    const other = door('o', '7,20');
    for (const before of [[7], [7, 8]]) {
      const b = bench([old, other]);
      for (const port of before) b.hit(port);
      b.knocks.setTable(new DoorTable([next, other], RULES, b.knocks.table));
      b.hit(10);
      b.hit(11);
      assert.deepEqual(b.opened(), [], `after ${before.length} knocks`);
      for (const port of [7, 10, 11]) b.hit(port);
      assert.deepEqual(b.opened(), ['d']);
    }
  });

  it('M12: knocks of a source that began too many attempts are as if they had not come', () => {
    const b = bench([door('d', '7,8,9'), door('e', '7,20')], { maxAttemptsPerMinute: 3 });
    // The last attempt has two knocks when the limit is exceeded, and cannot go on.
    for (const port of [7, 7, 7, 8, 7, 9, 20]) b.hit(port, { atMs: 1000 });
    assert.deepEqual(b.opened(), []);
    const told = b.events.slice(-3).map((event) => `${event.kind} ${event.door.name}`);
    assert.deepEqual(told, ['ignored d', 'limited d', 'limited e']);
    assert.equal(b.knocks.counts().ignored, 1);
    for (const port of [7, 8, 9]) b.hit(port, { atMs: 60_999 });
    assert.deepEqual(b.opened(), []);
    assert.deepEqual(b.told().slice(-2), ['limited 0', 'limited 0']);
    for (const port of [7, 8, 9]) b.hit(port, { atMs: 61_000 });
    assert.deepEqual(b.opened(), ['d']);
    assert.equal(b.events.filter(({ kind }) => kind === 'ignored').length, 1);
    b.knocks.advance(61_000);
    assert.equal(b.knocks.counts().ignored, 0);
  });

  it('M12: only first knocks count; strays of an ignored source count as always', () => {
    const b = bench([door('d', '7,8')], { maxAttemptsPerMinute: 2, scanLimit: 4 });
    for (let n = 0; n < 100; n++) b.hit(n % 2 === 0 ? 8 : 999, { atMs: 500 });
    for (const port of [7, 8, 7, 8]) b.hit(port, { atMs: 1000 });
    assert.deepEqual(b.opened(), ['d', 'd']);
    b.hit(7, { atMs: 1000 });
    for (let port = 100; port < 110; port++) b.hit(port, { atMs: 60_999 });
    b.hit(7, { atMs: 61_000 });
    assert.equal(b.told().at(-1), 'refused 0');
  });

  it('M12: another limit holds from the next packet on, and none ends the ignoring', () => {
    const doors = [door('d', '7,8')];
    const b = bench(doors, { maxAttemptsPerMinute: 1 });
    for (const port of [7, 7, 7, 8]) b.hit(port, { atMs: 1000 });
    assert.deepEqual(b.opened(), []);
    const none = { ...RULES, maxAttemptsPerMinute: 0 };
    b.knocks.setTable(new DoorTable(doors, none, b.knocks.table));
    for (let n = 0; n < 100; n++) for (const port of [7, 8]) b.hit(port, { atMs: 1001 });
    assert.equal(b.opened().length, 100);
  });

  it('keeps attempts at doors that a reload did not change (G7)', () => {
    const kept = door('kept', '7,8,9');
    const b = bench([kept, door('gone', '50,51')]);
    b.hit(7);
    b.hit(8);
    b.knocks.setTable(new DoorTable([kept, door('new', '60,61')], RULES, b.knocks.table));
    b.hit(9);
    assert.deepEqual(b.opened(), ['kept']);
  });

  it('a door of one knock opens at its first packet', () => {
    const b = bench([door('one', '7'), door('two', '7,8')]);
    b.hit(7);
    b.hit(8);
    assert.deepEqual(b.opened(), ['one', 'two']);
  });

  it('makes no machine for a source that hit a first knock or a stray only', () => {
    const b = bench([door('d', '7,8')]);
    for (let i = 1; i <= 50; i++) b.hit(i % 2 === 0 ? 7 : 999, { source: `198.51.100.${i}` });
    assert.deepEqual(b.knocks.counts(), {
      dormant: 50,
      machines: 0,
      dormantEvicted: 0,
      machinesEvicted: 0,
      ignored: 0,
    });
  });

  it('bounds machines: the least recently active goes first, and is counted', () => {
    const b = bench([door('d', '7,8,9')], {}, { maxSources: 100, maxMachines: 2 });
    for (const source of ['198.51.100.1', '198.51.100.2', '198.51.100.3']) {
      b.hit(7, { source });
      b.hit(8, { source });
    }
    for (const source of ['198.51.100.3', '198.51.100.2', '198.51.100.1']) b.hit(9, { source });
    assert.deepEqual(
      b.events.filter((e) => e.kind === 'completed').map((e) => e.source),
      ['198.51.100.3', '198.51.100.2'],
    );
    assert.equal(b.knocks.counts().machinesEvicted, 1);
  });
});
