import assert from 'node:assert/strict';
import type { Packet } from '../../machines/types.js';
import { newParsedFrame } from '../../src/capture/parse.js';
import { encodeRecord, RECORD_BYTES } from '../../src/capture/record.js';
import { SensorSupervisor } from '../../src/capture/supervisor.js';
import type { SensorStatus } from '../../src/capture/types.js';
import type { Log } from '../../src/log/types.js';

const LISTENING = `say({listening:{id:m.open.id,linkType:"raw"}})`;
/** The sensor's end of the channel, in as little as it takes. */
const CHANNEL = `const channel=new (require("node:net").Socket)({fd:3,readable:true,writable:true});
  channel.on("close",()=>process.exit()).on("error",()=>process.exit());
  const say=(value,then)=>channel.write(JSON.stringify(value)+"\\n",then);
  const hear=(onMessage)=>channel.on("data",(bytes)=>onMessage(JSON.parse(bytes)));`;

describe("a sensor's supervisor", () => {
  let supervisor: SensorSupervisor | undefined;
  afterEach(() => supervisor?.stop());

  /** Supervises a program that answers its core's messages `m` in its own way. */
  function supervise(program: string) {
    const packets: Packet[] = [];
    const logged: string[] = [];
    const statuses: SensorStatus[] = [];
    const waiting = new Set<() => void>();
    const note = (_: object, text: string) => logged.push(text);
    const log: Log = { debug: note, info: note, warn: note, error: note };
    const wake = () => {
      for (const look of waiting) look();
    };
    const one = new SensorSupervisor({
      interface: 'lo',
      interfaceIndex: 0,
      bufferBytes: 1 << 20,
      argv: [process.execPath, '-e', `${CHANNEL}${program}`],
      log,
      onPacket: (packet) => {
        packets.push(packet);
        wake();
      },
      onStatus: () => {
        statuses.push(one.status);
        wake();
      },
    });
    supervisor = one;
    const until = (condition: () => boolean) =>
      new Promise<void>((resolve) => {
        const look = () => {
          if (condition()) resolve();
        };
        waiting.add(look);
        look();
      });
    return { one, packets, logged, statuses, until };
  }

  it('hands on the packets of its sensor, and counts', async () => {
    const record = Buffer.alloc(RECORD_BYTES);
    encodeRecord({ ...newParsedFrame(), port: 7 }, 1, record, 0);
    const stats = '{stats:{frames:5,malformed:1,records:2,dropped:0}}';
    const write = `process.stdout.write(Buffer.from("${record.toString('hex')}","hex"))`;
    const { one, packets, until } = supervise(`hear((m)=>{${LISTENING};${write};say(${stats})})`);
    await one.start('ip');
    await until(() => packets.length === 1 && one.status.frames === 5);
    assert.equal(packets[0]?.port, 7);
    const { state, malformed, records, restarts } = one.status;
    assert.deepEqual(
      { state, malformed, records, restarts },
      { state: 'listening', malformed: 1, records: 2, restarts: 0 },
    );
  });

  it('replaces a sensor that sends nonsense, and keeps its counts', async () => {
    const stats = '{stats:{frames:3,malformed:0,records:0,dropped:0}}';
    const { one, packets, logged, until } = supervise(
      `hear((m)=>{${LISTENING};say("?");say({listening:{id:"x"}});
       say(${stats},()=>process.stdout.write(Buffer.alloc(5000,0x4b)))})`,
    );
    await one.start('ip');
    await until(() => one.status.restarts >= 2);
    assert.ok(logged.includes('sensor sent what is no record: replaced'));
    assert.equal(packets.length, 0);
    assert.ok(one.status.frames >= 3);
  });

  it('starts one that keeps dying again and again, less and less often', async () => {
    const { one, statuses, until } = supervise('console.error("no luck"); process.exit(3)');
    const began = performance.now();
    await one.start('ip');
    await until(() => one.status.restarts === 3);
    // 100 + 200 + 400 ms at the least.
    assert.ok(performance.now() - began >= 700);
    assert.equal(one.status.state, 'starting');
    assert.ok(statuses.some(({ reason }) => reason === 'sensor ended (code 3): no luck'));
  });

  it('says what the sensor says about why it cannot capture', async () => {
    const { one } = supervise(
      `hear(()=>say({failed:{reason:"That device is not up"}},()=>process.exit(1)))`,
    );
    await one.start('ip');
    const { state, reason } = one.status;
    assert.deepEqual({ state, reason }, { state: 'waiting', reason: 'That device is not up' });
  });

  it('fails to start when the capture module is missing, naming the package', async () => {
    const { one } = supervise(
      `hear(()=>say({failed:{reason:"x",missing:true}},()=>process.exit(1)))`,
    );
    await assert.rejects(one.start('ip'), { code: 'POSTERN_E_CAPTURE', message: /libpcap-dev/ });
  });

  it('replaces a sensor that does not take a new filter', async function () {
    this.timeout(10_000);
    const { one, until } = supervise(
      `let first=true;hear((m)=>{if(first)${LISTENING};first=false});setInterval(()=>{},1e6)`,
    );
    await one.start('ip');
    const { pid } = one.status;
    await one.setFilter('ip6');
    await until(() => one.status.state === 'listening' && one.status.pid !== pid);
    assert.equal(one.status.restarts, 1);
  });

  it('is at peace with a program that is not there', async () => {
    const one = new SensorSupervisor({
      ...{ interface: 'lo', interfaceIndex: 0, bufferBytes: 1, argv: ['/no/such/program'] },
      ...{ log: { debug() {}, info() {}, warn() {}, error() {} }, onPacket() {}, onStatus() {} },
    });
    supervisor = one;
    await one.start('ip');
    assert.match(one.status.reason ?? '', /ENOENT/);
  });
});
