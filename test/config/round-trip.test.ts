import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Door, TCP_FLAG } from '../../config/types.js';
import { loads } from './support/parsed.js';

const seconds = fc.integer({ min: 1, max: 100_000 });

/** What begins or ends with a blank, or holds a line end, cannot be written into a file. */
const command = fc.string().filter((text) => !/^\s|\s$|\p{Cc}|\ufffd/u.test(text));

const flags = fc.dictionary(fc.constantFrom(...Object.keys(TCP_FLAG)), fc.boolean(), {
  minKeys: 1,
  noNullPrototype: true,
});

const port = fc.integer({ min: 1, max: 65_535 });

/** What a door allows: entries that are apart, for those that overlap become one. */
const allow = fc
  .uniqueArray(port, { maxLength: 12 })
  .chain((ports) =>
    fc.tuple(
      fc.constant(ports.toSorted((a, b) => a - b)),
      fc.constantFrom('tcp' as const, 'udp' as const),
    ),
  )
  .map(([ports, protocol]) =>
    ports
      .slice(0, ports.length - (ports.length % 2))
      .flatMap((from, index) =>
        index % 2 === 0 ? [{ protocol, from, to: ports[index + 1] ?? from }] : [],
      ),
  );

const door = fc.record(
  {
    knocks: fc.array(
      fc.record(
        {
          port: fc.integer({ min: 1, max: 65_535 }),
          protocol: fc.constantFrom('tcp' as const, 'udp' as const),
        },
        { noNullPrototype: true },
      ),
      { minLength: 1, maxLength: 32 },
    ),
    seqTimeout: seconds,
    cmdTimeout: seconds,
    flags,
    target: fc.ipV4(),
    startCommand: command,
    stopCommand: command,
    startCommand6: command,
    stopCommand6: command,
    cooldown: fc.integer({ min: 0, max: 100_000 }),
    reknock: fc.constantFrom('extend' as const, 'rerun' as const, 'ignore' as const),
    runOn: fc.constantFrom('here' as const, 'everywhere' as const, 'once' as const),
    allow,
    killEstablished: fc.boolean(),
  },
  {
    requiredKeys: [
      'knocks',
      'seqTimeout',
      'cmdTimeout',
      'cooldown',
      'reknock',
      'runOn',
      'allow',
      'killEstablished',
    ],
    noNullPrototype: true,
  },
);

type Written = typeof door extends fc.Arbitrary<infer T> ? T : never;

function writeDoor(written: Written, index: number): string {
  const lines: (readonly [string, string | undefined])[] = [
    ['Sequence', written.knocks.map(({ port, protocol }) => `${port}:${protocol}`).join(' , ')],
    ['Seq_Timeout', String(written.seqTimeout)],
    ['CMD_TIMEOUT', String(written.cmdTimeout)],
    ['tcpflags', written.flags && writeFlags(written.flags)],
    ['target', written.target],
    ['command', written.startCommand],
    ['stop_command', written.stopCommand],
    ['command_6', written.startCommand6],
    ['stop_command_6', written.stopCommand6],
    ['cooldown', String(written.cooldown / 1000)],
    ['reknock', written.reknock],
    ['Run_On', written.runOn],
    ['kill_established', written.killEstablished ? 'yes' : 'no'],
    ['allow', written.allow.length > 0 ? writeAllow(written.allow) : undefined],
  ];
  const given = lines.filter(([, value]) => value !== undefined);
  return [`[door ${index}]`, ...given.map(([key, value]) => `\t${key} =${value}  `)].join('\n');
}

function writeAllow(rules: Written['allow']): string {
  return rules.map(({ protocol, from, to }) => `${from}-${to}/${protocol}`).join(', ');
}

function writeFlags(all: Readonly<Record<string, boolean>>): string {
  return Object.entries(all)
    .map(([name, set]) => `${set ? '' : '!'}${name.toUpperCase()}`)
    .join(', ');
}

function expected(written: Written, index: number): Omit<Door, 'line'> {
  const bits = (wanted: boolean) =>
    Object.entries(TCP_FLAG)
      .filter(([name]) => written.flags?.[name] === wanted)
      .reduce((sum, [, bit]) => sum | bit, 0);
  const { knocks, seqTimeout, cmdTimeout, cooldown, flags: _, ...rest } = written;
  return {
    name: `door ${index}`,
    sequence: { kind: 'fixed', knocks },
    seqTimeoutMs: seqTimeout * 1000,
    cmdTimeoutMs: cmdTimeout * 1000,
    cooldownMs: cooldown,
    tcpFlags: { required: bits(true), excluded: bits(false) },
    commandTimeoutMs: 60_000,
    stopRetries: 10,
    sinks: [],
    ...rest,
  };
}

describe('a configuration that is written out', () => {
  it('is read back as what it was', () => {
    fc.assert(
      fc.property(fc.array(door, { maxLength: 4 }), (doors) => {
        const read = loads(doors.map(writeDoor).join('\n')).doors;
        assert.deepEqual(
          read.map(({ line: _, ...rest }) => rest),
          doors.map((each, index) => ({ ...expected(each, index) })),
        );
      }),
    );
  });
});
