/**
 * A sensor that was taken over: whatever it writes on whichever descriptor, the core goes on, its
 * memory is bounded, and the sensors of other interfaces are served (DESIGN 1).
 */
import assert from 'node:assert/strict';
import { DoorTable } from '../../machines/doors.js';
import type { Packet } from '../../machines/types.js';
import { parseOpenMessage, parseSensorMessage } from '../../src/capture/messages.js';
import { RECORD_BYTES, RecordDecoder } from '../../src/capture/record.js';
import { SensorSupervisor } from '../../src/capture/supervisor.js';
import { monotonicMs } from '../../src/clock.js';
import { Knocks } from '../../src/knocks/knocks.js';
import { silentLog } from '../../src/log/types.js';
import { eventually } from '../support/eventually.js';
import { anyJson, corpus, fuzz, mutatedText, randomBytes, scaled } from './support.js';

const CHANNEL = 'test/fuzz/corpus/channel';

/** A genuine record: a TCP packet to port 7, of the time that its place 16 says. */
const RECORD = `const record=Buffer.alloc(56);record.set([75,1,6,2,1,0,7,0]);`;
const ANSWER = `const {Socket}=require("node:net"),{writeSync}=require("node:fs");
  const channel=new Socket({fd:3,readable:true,writable:true});
  channel.on("close",()=>process.exit()).on("error",()=>process.exit());
  const say=(value)=>channel.write(JSON.stringify(value)+"\\n");
  const all=(fd,bytes)=>{for(let at=0;at<bytes.length;)try{at+=writeSync(fd,bytes,at)}catch{}};
  channel.once("data",(bytes)=>{say({listening:{id:JSON.parse(bytes).open.id,linkType:"raw"}});act()});`;

/** What is alive and well: a record every 5 ms, stamped. */
const WELL = `${RECORD}function act(){setInterval(()=>{
  record.writeDoubleLE(Number(process.hrtime.bigint())/1e6,16);all(1,record)},5)}`;

/** What does its worst, without an end. */
const HOSTILE: Readonly<Record<string, string>> = {
  'random bytes as records':
    'function act(){const b=require("node:crypto").randomBytes(65536);for(;;)all(1,b)}',
  'false packets of random sources': `${RECORD}function act(){
    const b=Buffer.concat(Array(1170).fill(record));
    for(;;){for(let at=24;at<b.length;at+=56)b.writeUInt32LE(Math.random()*2**32,at);all(1,b)}}`,
  'an endless line': 'function act(){const b=Buffer.alloc(65536,120);for(;;)all(3,b)}',
  'messages without end': `function act(){const b=Buffer.from('{"stats":{"frames":1,"malformed":0,"records":0,"dropped":0}}\\n'.repeat(999));for(;;)all(3,b)}`,
  'complaints without end': 'function act(){const b=Buffer.alloc(65536,"x\\n");for(;;)all(2,b)}',
  'nothing, and it dies': 'function act(){process.abort()}',
};

describe('a sensor that was taken over', () => {
  const running: SensorSupervisor[] = [];
  afterEach(() => Promise.all(running.splice(0).map((each) => each.stop())));

  function supervise(program: string, onPacket: (packet: Packet) => void): SensorSupervisor {
    const one = new SensorSupervisor({
      ...{ interface: 'lo', interfaceIndex: running.length, bufferBytes: 1 << 20, log: silentLog },
      ...{ argv: [process.execPath, '-e', `${ANSWER}${program}`], onPacket, onStatus() {} },
    });
    running.push(one);
    return one;
  }

  const door = {
    ...{ name: 'd', seqTimeoutMs: 5000, tcpFlags: { required: 0, excluded: 0 } },
    knocks: [7, 8, 9].map((port) => ({ port, protocol: 'tcp' as const })),
  };

  for (const [what, program] of Object.entries(HOSTILE)) {
    it(`that writes ${what} neither ends the core nor fills it nor keeps it busy`, async function () {
      this.timeout(60_000);
      const durationMs = Math.min(3000, scaled(300));
      const knocks = new Knocks(
        new DoorTable([door], { strayLimit: 3, scanLimit: 20, ignorePorts: [] }),
        {
          host: { isLocal: () => true, isListening: () => false },
          limits: { maxSources: 10_000, maxMachines: 1000 },
          onEvent() {},
        },
      );
      const lateMs: number[] = [];
      const well = supervise(WELL, ({ atMs }) => lateMs.push(monotonicMs() - atMs));
      const hostile = supervise(program, (packet) => knocks.packet(packet));
      await Promise.all([well.start('ip'), hostile.start('ip')]);
      await eventually('the other one is heard', () => lateMs.length > 5, { withinMs: 10_000 });
      const [before, from] = [process.memoryUsage().rss, lateMs.length];
      let most = before;
      await eventually(
        'time is over',
        () => {
          most = Math.max(most, process.memoryUsage().rss);
          return (lateMs.length - from) * 5 >= durationMs;
        },
        { withinMs: durationMs * 5 + 5000, everyMs: 20 },
      );
      const during = lateMs.slice(from).sort((a, b) => a - b);
      assert.ok(
        (during[during.length >> 1] ?? Infinity) < 100,
        `${during[during.length >> 1]} ms late`,
      );
      assert.ok(most - before < 100e6, `${(most - before) / 1e6} MB more`);
      assert.equal(well.status.restarts, 0);
      // It did what it is here for.
      await eventually(
        'it is replaced, or believed',
        () => hostile.status.restarts > 0 || knocks.counts().dormant > 0,
        { withinMs: 10_000 },
      );
      assert.ok(knocks.counts().dormant <= 10_000 && knocks.counts().machines <= 1000);
    });
  }

  it('that says what once ended the core is replaced, or heard in vain', async function () {
    this.timeout(60_000);
    const lines = corpus(CHANNEL);
    assert.ok(lines.length >= 6);
    const said = lines.map((line) => {
      const one = supervise(
        `function act(){all(3,Buffer.from(${JSON.stringify(line)}))}`,
        () => {},
      );
      return one.start('ip').then(() => one);
    });
    for (const one of await Promise.all(said))
      await eventually(
        'it was heard',
        () => one.status.restarts > 0 || one.status.state === 'listening',
        {
          withinMs: 20_000,
        },
      );
  });

  fuzz('has no message but those there are', 3000, (random) => {
    const known = corpus(CHANNEL).flatMap((text) => text.split('\n'));
    const value = random.chance(2)
      ? anyJson(random)
      : parsed(mutatedText(random, random.pick(known)));
    const message = parseSensorMessage(value);
    parseOpenMessage(value);
    if (message === undefined) return;
    const texts = JSON.stringify(message);
    assert.ok(texts.length < 5000 && Object.keys(message).length === 1, texts);
    for (const number of texts.match(/-?\d+/g) ?? [])
      assert.ok(Number(number) >= 0 || 'failed' in message);
  });

  fuzz('gives packets or nothing, whatever the bytes and however cut', 2000, (random) => {
    const genuine = Buffer.alloc(RECORD_BYTES);
    genuine.set([75, 1, 6, 2, 1, 0, 7, 0]);
    const slots = Array.from({ length: random.below(6) }, () => {
      const slot = random.chance(4) ? randomBytes(random, RECORD_BYTES) : Buffer.from(genuine);
      if (slot.length > 0 && random.chance(2)) slot[random.below(slot.length)] = random.below(256);
      if (slot.length > 23 && random.chance(3))
        slot.writeDoubleLE(random.pick([NaN, -1, 1e300, -0]), 16);
      return slot;
    });
    const bytes = Buffer.concat(slots);
    const packets: Packet[] = [];
    const decoder = new RecordDecoder({
      ...{ interfaceIndex: 0, now: () => 1000 },
      onPacket: (packet) => packets.push(packet),
    });
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + random.below(100);
      decoder.push(bytes.subarray(at, at + size));
      at += size;
    }
    assert.equal(decoder.invalid + packets.length, Math.floor(bytes.length / RECORD_BYTES));
    for (const { atMs, port, flags, sourcePort } of packets) {
      assert.ok(atMs >= 0 && atMs <= 1000);
      assert.ok([port, sourcePort].every((each) => each >= 0 && each <= 65_535) && flags < 64);
    }
  });
});

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
