import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Packet } from '../../machines/types.js';
import { captureFilter, type FilterInput } from '../../src/capture/filter.js';
import { newParsedFrame, parseFrame } from '../../src/capture/parse.js';
import { packetOf } from '../../src/capture/record.js';
import type { CaptureDoor } from '../../src/capture/types.js';
import { mustRun, run } from '../support/run.js';
import { IP6_DESTINATION, type Link, numbersIn, pcapOf } from './frames.js';
import { type Random, randomFrom, wellFormed } from './random.js';

const SYN_ONLY = { required: 2, excluded: 16 };
const OWN = ['192.0.2.1', 'fd00:db8::1'];
const NONE = { tcp: new Set<number>(), udp: new Set<number>() };

function door(text: string, more: Partial<CaptureDoor> = {}): CaptureDoor {
  const knocks = text.split(',').map((knock) => {
    const [port, protocol] = knock.split(':');
    return {
      port: Number(port),
      protocol: protocol === 'udp' ? ('udp' as const) : ('tcp' as const),
    };
  });
  return { knocks, tcpFlags: SYN_ONLY, ...more };
}

function input(doors: readonly CaptureDoor[], more: Partial<FilterInput> = {}): FilterInput {
  const plan = { doors, strays: true };
  return { plan, addresses: OWN, listening: NONE, ethernet: true, ...more };
}

/** Whether M1, M2, M6 or M7 need the packet: told door by door, as the rules do. */
function isNeeded(packet: Packet, { plan, addresses, listening }: FilterInput): boolean {
  const isKnock = plan.doors.some(({ knocks }) =>
    knocks.some(({ port, protocol }) => port === packet.port && protocol === packet.protocol),
  );
  const ignored = plan.ignorePorts?.some(
    ({ from, to }) => from <= packet.port && packet.port <= to,
  );
  const isStray = plan.strays && !ignored && !listening[packet.protocol].has(packet.port);
  return plan.doors.some((one) => {
    const local = one.target === undefined ? addresses : [one.target];
    if (!local.includes(packet.destination)) return false;
    const { required, excluded } = one.tcpFlags;
    if (packet.protocol === 'tcp')
      return (isKnock || isStray) && (packet.flags & (required | excluded)) === required;
    return isKnock || (isStray && one.knocks.some(({ protocol }) => protocol === 'udp'));
  });
}

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'postern-filter-'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** The numbers of the frames that pass, by libpcap itself. */
async function passing(
  filter: string,
  link: Link,
  frames: readonly Buffer[],
): Promise<Set<number>> {
  const [from, to] = [join(folder, 'in.pcap'), join(folder, 'out.pcap')];
  writeFileSync(from, pcapOf(link, frames));
  await mustRun(['tcpdump', '-r', from, '-w', to, filter]);
  return numbersIn(readFileSync(to));
}

const SHAPE = {
  ports: [22, 53, 7000, 7001, 7002, 8000, 8001, 9999],
  destinations4: [
    [192, 0, 2, 1],
    [192, 0, 2, 7],
    [198, 51, 100, 1],
  ],
  destinations6: [IP6_DESTINATION, Buffer.from('20010db8000000000000000000000001', 'hex')],
};

function manyFrames(random: Random, link: Link): Buffer[] {
  return Array.from({ length: 3000 }, () => wellFormed(random, { ...SHAPE, links: [link] }).frame);
}

const LISTENING = { tcp: new Set([22, 7001]), udp: new Set([53]) };
const INPUTS: readonly (readonly [string, FilterInput])[] = [
  ['one TCP door', input([door('7000,7001,7002')])],
  ['listeners, one of them on a knock port', input([door('7000,7001')], { listening: LISTENING })],
  ['mixed protocols', input([door('7000:udp,8000,8001:udp')], { listening: LISTENING })],
  ['a UDP door', input([door('7000:udp,8000:udp')])],
  ['no strays', input([], { plan: { doors: [door('7000,8000:udp')], strays: false } })],
  ['no strays, UDP only', input([], { plan: { doors: [door('8000:udp')], strays: false } })],
  [
    'ignored ports',
    input([], {
      plan: { doors: [door('7000')], strays: true, ignorePorts: [{ from: 7001, to: 9000 }] },
    }),
  ],
  ['any flags', input([door('7000', { tcpFlags: { required: 0, excluded: 0 } })])],
  [
    'two flag rules',
    input([door('7000'), door('8000', { tcpFlags: { required: 1, excluded: 0 } })]),
  ],
  [
    'a target beside the addresses',
    input([door('7000', { target: '198.51.100.1' }), door('8000')]),
  ],
  ['targets only', input([door('7000:udp', { target: '2001:db8::1' })])],
  ['no IPv6 address', input([door('7000,8000:udp')], { addresses: ['192.0.2.1'] })],
  ['no address at all', input([door('7000,8000:udp')], { addresses: [] })],
  [
    'more addresses than can be named',
    input([door('7000')], {
      addresses: [...OWN, ...Array.from({ length: 40 }, (_, i) => `10.0.0.${i}`)],
    }),
  ],
];

describe('the capture filter', () => {
  for (const link of ['ethernet', 'cooked', 'raw'] as const)
    for (const [name, given] of INPUTS)
      it(`lets everything through that is needed: ${name}, ${link}`, async () => {
        const filterInput = { ...given, ethernet: link === 'ethernet' };
        const frames = manyFrames(randomFrom(link.length + name.length), link);
        const passed = await passing(captureFilter(filterInput), link, frames);
        const out = newParsedFrame();
        let needed = 0;
        for (const [i, frame] of frames.entries()) {
          if (parseFrame(link, frame, out) !== 'packet') continue;
          // Tags are taken off before a live filter: within a frame, two are the most it has to read.
          if (link === 'cooked' && out.vlan !== 0) continue;
          if (!isNeeded(packetOf(out, 0, 0), filterInput)) continue;
          needed += 1;
          assert.ok(passed.has(i), `rejected ${frame.toString('hex')}`);
        }
        assert.ok(needed > 0 || filterInput.addresses.length === 0);
        // And it is a filter: what is not needed mostly stays in the kernel.
        if (filterInput.addresses.length < 10)
          assert.ok(passed.size < frames.length * 0.5, `${passed.size} of ${frames.length} pass`);
      });

  it('keeps a listening service and other hosts out, exactly, where nothing is hidden', async () => {
    const given = input([door('7000,8000:udp')], { listening: LISTENING });
    const random = randomFrom(7);
    const frames = manyFrames(random, 'raw').filter((frame) => (frame[0] ?? 0) >> 4 === 4);
    const passed = await passing(captureFilter({ ...given, ethernet: false }), 'raw', frames);
    const out = newParsedFrame();
    const expected = frames.flatMap((frame, i) =>
      parseFrame('raw', frame, out) === 'packet' && isNeeded(packetOf(out, 0, 0), given) ? [i] : [],
    );
    const wellFormedOnes = [...passed].filter(
      (i) => parseFrame('raw', frames[i] ?? Buffer.alloc(0), out) === 'packet',
    );
    assert.deepEqual(
      wellFormedOnes.sort((a, b) => a - b),
      expected,
    );
  });

  it('is small and quick to compile for a thousand doors, on every link', async () => {
    const random = randomFrom(3);
    const rules = [SYN_ONLY, { required: 1, excluded: 2 }, { required: 18, excluded: 0 }];
    const thousand = (more: (i: number) => Partial<CaptureDoor>) =>
      Array.from({ length: 1000 }, (_, i) => {
        const ports = Array.from({ length: 5 }, () => 1 + random.below(65_535));
        return door(`${ports.join(',')},${1 + random.below(65_535)}:udp`, more(i));
      });
    const listening = { tcp: new Set<number>(), udp: new Set<number>() };
    for (let i = 0; i < 100; i += 1) listening.tcp.add(1 + random.below(65_535));
    for (let i = 0; i < 90; i += 1) listening.udp.add(1 + random.below(65_535));
    const addresses = Array.from({ length: 16 }, (_, i) => [
      `10.0.${i}.1`,
      `2001:db8:${i}::1`,
    ]).flat();
    const flags = (i: number) => ({ tcpFlags: rules[i % 3] ?? SYN_ONLY });
    const targets = (i: number) => ({ ...flags(i), target: `10.9.${i >> 8}.${i & 255}` });
    const few = thousand(flags).slice(0, 33);
    const plans = [
      input(thousand(flags), { addresses, listening }),
      input(thousand(targets), { listening }),
      input([], { plan: { doors: thousand(flags), strays: false }, addresses }),
      input([], { plan: { doors: few, strays: false }, addresses }),
      input([], {
        plan: {
          doors: thousand((i) => ({ tcpFlags: { required: i & 63, excluded: 0 } })),
          strays: true,
        },
      }),
    ];
    for (const [i, plan] of plans.entries())
      for (const [type, ethernet] of [
        ['EN10MB', true],
        ['LINUX_SLL', false],
        ['RAW', false],
      ] as const) {
        const filter = captureFilter({ ...plan, ethernet });
        const began = performance.now();
        const { stdout, stderr, code } = await run(['tcpdump', '-ddd', '-y', type, filter]);
        const ms = performance.now() - began;
        assert.equal(code, 0, stderr);
        if (process.env['SHOW'])
          console.log(i, type, stdout.split('\n')[0], ms.toFixed(0), filter.length);
        assert.ok(Number(stdout.split('\n')[0]) < 4096, `${stdout.split('\n')[0]} instructions`);
        // The start of tcpdump is within; alone on a slow core it takes a fifth of this.
        assert.ok(ms < 500, `plan ${i} on ${type} took ${ms.toFixed()} ms`);
      }
  });
});
