import assert from 'node:assert/strict';
import { TCP_FLAG } from '../../config/types.js';
import type { Knock, Packet } from '../../machines/types.js';
import { posternMatcher } from './agreement.js';
import { referenceModel } from './reference.js';
import { type ModelDoor, type ModelRules, modelHost } from './types.js';

const HOST = modelHost(['192.0.2.1', 'fd00::1'], [{ port: 80, protocol: 'tcp' }]);
const RULES: ModelRules = { strayLimit: 2, scanLimit: 4, ignorePorts: [{ from: 500, to: 599 }] };
const SYN = { required: TCP_FLAG.syn, excluded: 0 };

function knocksOf(text: string): Knock[] {
  return text.split(',').map((one) => {
    const [port, protocol] = one.split(':');
    return { port: Number(port), protocol: protocol === 'udp' ? 'udp' : 'tcp' };
  });
}

function door(sequence: string, change: Partial<ModelDoor> = {}): ModelDoor {
  const tcpFlags = { required: 0, excluded: 0 };
  return { name: 'd', knocks: knocksOf(sequence), seqTimeoutMs: 10_000, tcpFlags, ...change };
}

let serial = 0;
/** A hit at a second after the start, every one with a sequence number of its own. */
function hit(second: number, port: string, change: Partial<Packet> = {}): Packet {
  const [knock] = knocksOf(port);
  serial += 1;
  return {
    atMs: 1_000_000 + second * 1000,
    source: '198.51.100.1',
    destination: '192.0.2.1',
    protocol: knock!.protocol,
    sourcePort: 40_000,
    port: knock!.port,
    flags: knock!.protocol === 'tcp' ? TCP_FLAG.syn : 0,
    sequence: knock!.protocol === 'tcp' ? serial : 0,
    interfaceIndex: 0,
    ...change,
  };
}

/** Hits of `ports`, a second apart. */
function hits(ports: string, change: Partial<Packet> = {}, from = 0): Packet[] {
  return ports.split(' ').map((port, index) => hit(from + index, port, change));
}

const SUBJECTS = [
  { name: 'the reference model', make: referenceModel },
  { name: "postern's matcher", make: posternMatcher },
];

for (const { name, make } of SUBJECTS) {
  /** What opens, as `index:door` of each opening packet. */
  const opened = (doors: ModelDoor[], packets: Packet[], rules = RULES): string[] => {
    const model = make(doors, rules, HOST);
    return packets.flatMap((p, index) => model.packet(p).opened.map((one) => `${index}:${one}`));
  };

  describe(`${name}, rule by rule`, () => {
    it('M1: counts what is sent to an address of the interface, and nothing else', () => {
      assert.deepEqual(opened([door('1,2')], hits('1 2')), ['1:d']);
      assert.deepEqual(opened([door('1,2')], hits('1 2', { destination: '192.0.2.9' })), []);
    });

    it('M1: with Target only what is sent to it, the own addresses not', () => {
      const doors = [door('1,2', { target: '203.0.113.5' })];
      assert.deepEqual(opened(doors, hits('1 2', { destination: '203.0.113.5' })), ['1:d']);
      assert.deepEqual(opened(doors, hits('1 2')), []);
    });

    it('M2: a packet whose flags do not satisfy neither advances nor spoils', () => {
      const doors = [door('1,2,3', { tcpFlags: SYN })];
      const packets = [hit(0, '1'), hit(1, '3', { flags: 1 }), hit(2, '2', { flags: 1 })];
      assert.deepEqual(opened(doors, [...packets, hit(3, '3')]), []);
      assert.deepEqual(opened(doors, [...packets, hit(4, '2'), hit(5, '3')]), ['4:d']);
    });

    it('M2: UDP knocks need no flags', () => {
      assert.deepEqual(opened([door('1:udp,2', { tcpFlags: SYN })], hits('1:udp 2')), ['1:d']);
    });

    it('M3: a first knock begins an attempt beside the one under way', () => {
      assert.deepEqual(opened([door('1,2,1,3')], hits('1 2 1 2 1 3')), ['5:d']);
    });

    it('M3: at the same stage the later begun stays, with its later deadline', () => {
      const packets = [hit(0, '1'), hit(9, '1'), hit(12, '2'), hit(18, '3')];
      assert.deepEqual(opened([door('1,2,3')], packets), ['3:d']);
    });

    it('M3: begins at every door with that first knock', () => {
      const doors = [door('1,2', { name: 'a' }), door('1,2,3', { name: 'b' })];
      assert.deepEqual(opened(doors, hits('1 2 3')), ['1:a', '2:b']);
    });

    it('M4: the protocol is part of a knock', () => {
      assert.deepEqual(opened([door('1,2:udp')], hits('1 2')), []);
      assert.deepEqual(opened([door('1,2:udp')], hits('1 2 2:udp')), ['2:d']);
    });

    it('M5: a retransmission is ignored, even where the next knock is the same port', () => {
      const first = hit(0, '1');
      const again = { ...first, atMs: first.atMs + 1000 };
      assert.deepEqual(opened([door('1,1,2')], [first, again, hit(2, '2')]), []);
      assert.deepEqual(opened([door('1,2')], [first, again, hit(2, '2')]), ['2:d']);
    });

    it('M5: an old retransmission does not spoil either', () => {
      const first = hit(0, '1');
      const packets = [first, hit(1, '2'), { ...first, atMs: first.atMs + 2000 }, hit(3, '3')];
      assert.deepEqual(opened([door('1,2,3')], packets), ['3:d']);
    });

    it('M5: a repeat of the knock just counted is ignored, unless it is the next expected', () => {
      assert.deepEqual(opened([door('1,2,3')], hits('1 2 2 3')), ['3:d']);
      assert.deepEqual(opened([door('1,2,2')], hits('1 2 2')), ['2:d']);
      assert.deepEqual(opened([door('1,2,3')], hits('1 2 1 3')), []);
    });

    it("M6: another knock of any door's sequence spoils", () => {
      const doors = [door('1,2,3'), door('7,8', { name: 'other' })];
      assert.deepEqual(opened(doors, hits('1 8 2 3')), []);
      assert.deepEqual(opened(doors, hits('1 3 2 3')), []);
    });

    it('M6: only a knock that concerns a door: wrong flags there spoil nothing here', () => {
      // knockd's filter shows it neither packet, so it opens; the promise says postern does too.
      const flagged = [door('1,2'), door('7,8', { name: 'other', tcpFlags: SYN })];
      assert.deepEqual(opened(flagged, [hit(0, '1'), hit(1, '8', { flags: 1 }), hit(2, '2')]), [
        '2:d',
      ]);
      const elsewhere = [door('1,2'), door('7,8', { name: 'other', target: '203.0.113.5' })];
      assert.deepEqual(opened(elsewhere, hits('1 8 2')), ['2:d']);
    });

    it('M6: a knock that does not concern this door does not spoil it', () => {
      const doors = [door('1,2'), door('7,8', { name: 'other', target: '203.0.113.5' })];
      const packets = [hit(0, '1'), hit(1, '8', { destination: '203.0.113.5' }), hit(2, '2')];
      assert.deepEqual(opened(doors, packets), ['2:d']);
    });

    it('M7: more different strays than stray_limit spoil; the same ones again do not', () => {
      assert.deepEqual(opened([door('1,2')], hits('1 91 92 91 92 2')), ['5:d']);
      assert.deepEqual(opened([door('1,2')], hits('1 91 92 93 2')), []);
    });

    it('M7: listening ports, ignore_ports, and UDP at a TCP door are no strays', () => {
      assert.deepEqual(opened([door('1,2')], hits('1 91 92 80 500 599 2')), ['6:d']);
      assert.deepEqual(opened([door('1,2')], hits('1 91:udp 92:udp 93:udp 2')), ['4:d']);
      assert.deepEqual(opened([door('1,2:udp')], hits('1 91:udp 92:udp 93:udp 2:udp')), []);
    });

    it('M7: after a scan nothing begins until strays have ceased for Seq_Timeout', () => {
      const scan = ['91', '92', '93', '94', '95'].map((port) => hit(0, port));
      const later = (second: number) => [hit(second, '1'), hit(second, '2')];
      assert.deepEqual(opened([door('1,2')], [...scan, ...later(9.999)]), []);
      assert.deepEqual(opened([door('1,2')], [...scan, ...later(10)]), ['6:d']);
      const prolonged = [...scan, hit(9, '91'), ...later(10)];
      assert.deepEqual(opened([door('1,2')], prolonged), []);
      const knocksDoNot = [...scan, hit(5, '1'), ...later(10)];
      assert.deepEqual(opened([door('1,2')], knocksDoNot), ['7:d']);
    });

    it('M7: an attempt under way is ended by its own strays, not by the scan as such', () => {
      const scan = ['91', '92', '93', '94'].map((port) => hit(0, port));
      const packets = [...scan, hit(1, '1'), hit(2, '95'), hit(3, '2')];
      assert.deepEqual(opened([door('1,2')], packets), ['6:d']);
    });

    it('M7: stray_limit = off knows neither strays nor scans', () => {
      const packets = hits('1 91 92 93 94 95 96 97 2');
      assert.deepEqual(opened([door('1,2')], packets, { ...RULES, strayLimit: 'off' }), ['8:d']);
    });

    it('M8: the deadline is exact', () => {
      assert.deepEqual(opened([door('1,2')], [hit(0.9, '1'), hit(10.899, '2')]), ['1:d']);
      assert.deepEqual(opened([door('1,2')], [hit(0.9, '1'), hit(10.9, '2')]), []);
    });

    it("M9: a completion leaves other doors' and other sources' attempts alone", () => {
      const doors = [door('1,2', { name: 'a' }), door('1,2,3', { name: 'b' })];
      const other = { source: '198.51.100.2' };
      const packets = [hit(0, '1'), hit(1, '1', other), hit(2, '2'), hit(3, '2', other)];
      const tail = [hit(4, '3'), hit(5, '3', other)];
      assert.deepEqual(opened(doors, [...packets, ...tail]), ['2:a', '3:a', '4:b', '5:b']);
    });

    it('M9: it clears every attempt of this door and source, and begins none', () => {
      assert.deepEqual(opened([door('1,2,1')], hits('1 2 1 2 1')), ['2:d']);
      assert.deepEqual(opened([door('1,2,1')], hits('1 2 1 1 2 1')), ['2:d', '5:d']);
    });

    it('M10: the door is ready again at once', () => {
      assert.deepEqual(opened([door('1,2')], hits('1 2 1 2')), ['1:d', '3:d']);
      assert.deepEqual(opened([door('1')], hits('1 1')), ['0:d', '1:d']);
    });

    it('M11: a replaced sequence takes the attempts at the old one with it', () => {
      const model = make([door('1,2,3')], RULES, HOST);
      for (const packet of hits('1 2')) model.packet(packet);
      model.replaceSequence('d', knocksOf('4,5,3'));
      assert.deepEqual(model.packet(hit(2, '3')).opened, []);
      const again = hits('4 5 3', {}, 3).map((packet) => model.packet(packet).opened);
      assert.deepEqual(again, [[], [], ['d']]);
    });

    it('M11: what was a knock when it came is not counted as a stray afterwards', () => {
      const model = make([door('1,2'), door('7', { name: 'other' })], RULES, HOST);
      model.packet(hit(0, '1'));
      model.replaceSequence('d', knocksOf('3,4'));
      // With the first hit these would be five different strays, one more than scan_limit.
      for (const packet of hits('91 92 93 94', {}, 1)) model.packet(packet);
      assert.deepEqual(model.packet(hit(5, '7')).opened, ['other']);
    });
  });
}
