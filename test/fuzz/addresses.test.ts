/**
 * T7: whatever comes in on the wire, what commands, nft, webhooks, e-mails and modules are given of
 * it is one canonical address and nothing else.
 */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canonicalAddress } from '../../config/address.js';
import { expandCommand } from '../../config/commands.js';
import { DoorTable } from '../../machines/doors.js';
import { loadTexts } from '../../sinks/email/texts.js';
import { createExec } from '../../sinks/exec.js';
import { Element } from '../../sinks/nftables/element.js';
import { Script, TableName } from '../../sinks/nftables/script.js';
import type { SinkCall, SinkGrant } from '../../sinks/types.js';
import { bodyFromFile, standardBody } from '../../sinks/webhook/message.js';
import { newParsedFrame, parseFrame } from '../../src/capture/parse.js';
import { encodeRecord, RECORD_BYTES, RecordDecoder } from '../../src/capture/record.js';
import { Knocks } from '../../src/knocks/knocks.js';
import { silentLog } from '../../src/log/types.js';
import { frameOf, ip4, ip6, tcp, udp } from '../capture/frames.js';
import { type Random, wellFormed } from '../capture/random.js';
import { NO_ADDRESSES } from '../cluster/hostile/mutations.js';
import { never, Workshop } from '../sinks/module/workshop.js';
import { testDoor } from '../support/door.js';
import { fuzz, mutatedText, randomBytes } from './support.js';

const HOSTILE = [
  '$(reboot)',
  '`reboot`',
  '; reboot #',
  "'; x '",
  '\n',
  '} ; flush ruleset',
  '%IP%',
  '{{door}}',
];
/** Stands for any source: what is made for it says where a source may stand. */
const PLACEHOLDER = '203.0.113.99';

/** A frame whose every free byte is the sender's choice, addresses and payload among them. */
function anyFrame(random: Random): Buffer {
  if (random.chance(4)) return wellFormed(random, { links: ['ethernet'], ports: [7000] }).frame;
  const payload = Buffer.from(Array.from({ length: 4 }, () => random.pick(HOSTILE)).join(''));
  const segment = random.chance(2)
    ? Buffer.concat([tcp({ port: 7000, sequence: random.below(2 ** 31) }), payload])
    : udp({ port: 7000 }, payload);
  const protocol = segment.length === 8 + payload.length ? 17 : 6;
  if (random.chance(2)) {
    const options = Buffer.alloc(random.chance(2) ? 8 : 0, '$(reboo)');
    return frameOf(
      'ethernet',
      ip4(protocol, segment, { source: [...address(random, 4)], options }),
    );
  }
  return frameOf('ethernet', ip6(protocol, segment, [], { source: address(random, 16) }));
}

/** Letters of an attack are as good bytes of an address as any. */
function address(random: Random, length: number): Buffer {
  const bytes = Buffer.from(`${random.pick(HOSTILE)}${'\0'.repeat(16)}`).subarray(0, length);
  if (random.chance(2)) randomBytes(random, length).copy(bytes);
  if (length === 16 && random.chance(4)) bytes.set([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255]);
  return bytes;
}

/** From a frame to who completed a door of one knock, by every step of a packet's way. */
function sourceOf(frame: Buffer): string | undefined {
  const parsed = newParsedFrame();
  if (parseFrame('ethernet', frame, parsed) !== 'packet') return undefined;
  const record = Buffer.alloc(RECORD_BYTES);
  encodeRecord(parsed, 5, record, 0);
  let source: string | undefined;
  const doors = (['tcp', 'udp'] as const).map((protocol) => ({
    ...{ name: protocol, knocks: [{ port: 7000, protocol }], seqTimeoutMs: 1000 },
    tcpFlags: { required: 0, excluded: 0 },
  }));
  const rules = { strayLimit: 3, scanLimit: 20, ignorePorts: [] };
  const knocks = new Knocks(new DoorTable(doors, rules), {
    host: { isLocal: () => true, isListening: () => false },
    limits: { maxSources: 10, maxMachines: 10 },
    onEvent: (event) => {
      if (event.kind === 'completed') source = event.source;
    },
  });
  const onPacket = knocks.packet.bind(knocks);
  new RecordDecoder({ interfaceIndex: 0, now: () => 10, onPacket }).push(record);
  return source;
}

const ids = { id: 'h-1-0', door: 'ssh', host: 'h' };
const grantOf = (source: string): SinkGrant => ({ ...ids, source, untilMs: 9000, leftMs: 900 });
const callsOf = (source: string): readonly SinkCall[] => [
  { event: 'open', grant: grantOf(source), atMs: 1 },
  { event: 'close', grant: grantOf(source), atMs: 2 },
  { event: 'failed', grant: grantOf(source), atMs: 3, reason: 'no route' },
];

describe('what a knock can say (T7)', () => {
  const workshop = new Workshop();
  let folder = '';
  let [completed, frames] = [0, 0];
  /** Everything that is made of a source, as text. */
  let made: (source: string) => readonly string[] = () => [];
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-source-'));
    const file = async (name: string, text: string) => {
      await writeFile(join(folder, name), text, { mode: 0o600 });
      return join(folder, name);
    };
    const body = await bodyFromFile(await file('body', '{"a":"{{source}} {{summary}}"}'), '[x]');
    const own = await loadTexts({}, '[x]');
    const templated = await loadTexts(
      {
        subjectFile: await file('subject', '{{source}} {{summary}}'),
        textFile: await file('text', '{{source}} {{summary}}'),
        htmlFile: await file('html', '<b title="{{source}}">{{summary}}</b>'),
      },
      '[x]',
    );
    made = (source) => [
      expandCommand('a %IP% "%IP%" %%IP%% $(b %IP%)', source),
      ...callsOf(source).flatMap((call) => [
        standardBody(call),
        body(call),
        ...Object.values(own([call])),
        ...Object.values(templated([call])),
      ]),
      ...Object.values(own(callsOf(source))),
    ];
  });
  after(async () => {
    workshop.dispose();
    await rm(folder, { recursive: true });
    assert.ok(completed > frames / 3, `${completed} of ${frames} knocks`);
  });

  fuzz('is its address in canonical form, in every text that is made of it', 600, (random) => {
    frames += 1;
    const source = sourceOf(anyFrame(random));
    if (source === undefined) return;
    completed += 1;
    assert.equal(canonicalAddress(source), source);
    assert.match(source, /^[\da-f.:]{2,45}$/);
    const expected = made(PLACEHOLDER).map((text) => text.replaceAll(PLACEHOLDER, source));
    assert.deepEqual(made(source), expected);
    const ports = { protocol: 'tcp', from: 22, to: 22, ranged: false } as const;
    const change = { element: Element.of(source, ports), timeoutMs: 1000, known: false };
    const { text } = Script.change(TableName.of({ family: 'inet', name: 'postern' }), [change]);
    const set = source.includes(':') ? 'allow6' : 'allow4';
    assert.equal(text, `add element inet postern ${set} { ${source} . tcp . 22 timeout 1000ms }`);
  });

  fuzz('is all that a command and its environment get of it', 4, async (random) => {
    let source: string | undefined;
    while (source === undefined) source = sourceOf(anyFrame(random));
    const file = join(folder, 'environment');
    const startCommand = `{ echo '%IP%'; env; } > ${file}`;
    const sink = createExec({ maxCommands: 1, log: silentLog }).sink(testDoor({ startCommand }), 4);
    await sink?.open(grantOf(source), never());
    const [argument, ...environment] = (await readFile(file, 'utf8')).trim().split('\n');
    assert.equal(argument, source);
    const ours = environment.filter((line) => line.startsWith('POSTERN_')).sort();
    assert.deepEqual(ours, [
      ...['POSTERN_DOOR=test', 'POSTERN_GRANT=h-1-0', 'POSTERN_HOST=h', `POSTERN_SOURCE=${source}`],
    ]);
    // sh itself adds the rest.
    const others = environment.filter((line) => !line.startsWith('POSTERN_'));
    for (const line of others) assert.match(line, /^(PATH|PWD|OLDPWD|SHLVL|_)=/);
  });

  fuzz('is all that a module gets of it', 20, async (random) => {
    const source = sourceOf(anyFrame(random));
    if (source === undefined) return;
    workshop.fresh();
    const sink = await workshop.sink(
      'export default () => ({ async open(grant) { calls.push(JSON.stringify(grant)); } })',
    );
    await sink.open(grantOf(source), never());
    assert.deepEqual(
      calls.map((text) => JSON.parse(text)),
      [grantOf(source)],
    );
  });

  fuzz('would be refused by commands and nft if it were anything else', 300, async (random) => {
    const source = random.chance(3)
      ? mutatedText(random, '192.0.2.1', HOSTILE)
      : random.pick(NO_ADDRESSES);
    if (canonicalAddress(source) === source) return;
    const ports = { protocol: 'tcp', from: 22, to: 22, ranged: false } as const;
    // Other spellings of an address become the one that there is.
    if (canonicalAddress(source) === undefined)
      assert.throws(() => Element.of(source, ports), /no address/);
    else assert.equal(Element.of(source, ports).source, canonicalAddress(source));
    const file = join(folder, 'never');
    // Should it ever be run, then not what would be put into it.
    const door = testDoor({ startCommand: `touch ${file}; exit 0; : %IP%` });
    const sink = createExec({ maxCommands: 1, log: silentLog }).sink(door, 4);
    await assert.rejects(sink?.open(grantOf(source), never()) ?? Promise.resolve(), {
      code: 'POSTERN_E_COMMAND',
    });
    await assert.rejects(readFile(file), { code: 'ENOENT' });
  });
});
