import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import type { CaptureOptions, CapturePlan } from '../../src/capture/types.js';
import { createNetwork, type Network, SERVER4, SERVER6 } from '../support/netns.js';
import { endProcess, pidAlive, pidGone } from '../support/processes.js';
import { requireRoot } from '../support/root.js';
import { mustRun } from '../support/run.js';
import { frameOf, ip4, ip6, tcp, udp } from './frames.js';
import { installCopy, RunningCapture } from './running.js';
import { type Job, send } from './traffic.js';

const DOOR = {
  knocks: [
    { port: 47_001, protocol: 'tcp' },
    { port: 47_002, protocol: 'udp' },
  ],
  tcpFlags: { required: 2, excluded: 16 },
} as const;
const PLAN: CapturePlan = { doors: [DOOR], strays: true };

describe('capture on real interfaces', function () {
  this.timeout(30_000);
  let network: Network;
  const running: RunningCapture[] = [];
  before(async function () {
    requireRoot(this);
    network = await createNetwork();
  });
  afterEach(async () => {
    await Promise.all(running.splice(0).map((capture) => capture.stop()));
  });
  after(() => network?.dispose());

  async function capture(
    more: Partial<CaptureOptions> = {},
    place: ConstructorParameters<typeof RunningCapture>[2] = {},
  ): Promise<RunningCapture> {
    const interfaces = [network.interfaces.server];
    const defaults = { interfaces, plan: PLAN, bufferBytes: 4 << 20, user: 'nobody' };
    const one = new RunningCapture(network.namespaces.server, { ...defaults, ...more }, place);
    running.push(one);
    await one.started();
    return one;
  }

  const ipServer = (...argv: string[]) => mustRun(['ip', '-n', network.namespaces.server, ...argv]);
  const to = (address: string, job: Omit<Job, 'address'>) => send(network, { address, ...job });
  const has = (one: RunningCapture, port: number, address: string) =>
    one.packets.some((packet) => packet.port === port && packet.destination === address);

  /** Sends a datagram again and again until one is captured; gives the milliseconds it took. */
  async function heard(one: RunningCapture, address: string, port: number): Promise<number> {
    const began = performance.now();
    const sending = to(address, { ports: Array(20).fill(port), everyMs: 50 });
    await one.until(`${address} ${port}`, () => has(one, port, address));
    const ms = performance.now() - began;
    await sending;
    return ms;
  }

  for (const [link, name] of [['Ethernet'], ['any', 'any']] as const)
    it(`hears knocks over IPv4 and IPv6 (${link})`, async () => {
      const one = await capture(name === undefined ? {} : { interfaces: [name] });
      assert.equal(one.status[0]?.state, 'listening');
      for (const address of [SERVER4, SERVER6]) {
        await to(address, { connect: [47_001], ports: [47_002] });
        await one.until('both', () => has(one, 47_001, address) && has(one, 47_002, address));
      }
      const knocks = one.packets.filter(({ port }) => port === 47_001 || port === 47_002);
      assert.deepEqual(
        knocks.map(({ protocol, flags }) => [protocol, flags]),
        [
          ['udp', 0],
          ['tcp', 2],
          ['udp', 0],
          ['tcp', 2],
        ],
      );
      assert.ok(one.messages.every(({ packet, local }) => packet === undefined || local === true));
      // T17: nothing was sent, nothing but what the client sent was heard.
      assert.ok(knocks.every(({ source }) => source !== SERVER4 && source !== SERVER6));
    });

  it('hears frames with VLAN tags, IP options and extension headers', async () => {
    const one = await capture();
    const own = Buffer.from('fd000db8000000000000000000000001', 'hex');
    const syn = (port: number) => ip4(6, tcp({ port }));
    const frames = [
      frameOf('ethernet', syn(50_001), [[0x8100, 5]]),
      frameOf('ethernet', syn(50_002), [
        [0x88a8, 100],
        [0x8100, 5],
      ]),
      frameOf('ethernet', ip4(17, udp({ port: 50_003 }), { options: Buffer.alloc(8, 1) })),
      frameOf(
        'ethernet',
        ip6(6, tcp({ port: 50_004 }), [[60, Buffer.alloc(7)]], { destination: own }),
      ),
      frameOf(
        'ethernet',
        ip6(17, udp({ port: 50_005 }), [[44, Buffer.from([0, 0, 1, 0, 0, 0, 7])]], {
          destination: own,
        }),
      ),
      // Not for this host, an ACK, a later fragment: left to the kernel or dropped.
      frameOf('ethernet', ip4(6, tcp({ port: 50_006 }), { destination: [192, 0, 2, 77] })),
      frameOf('ethernet', ip4(6, tcp({ port: 50_007, flags: 16 }))),
      frameOf('ethernet', ip4(6, tcp({ port: 50_008 }), { fragment: 3 })),
      frameOf('ethernet', syn(50_009)),
    ].map((frame) => frame.toString('hex'));
    await to(SERVER4, { frames, interface: network.interfaces.client });
    await one.until('last', () => has(one, 50_009, SERVER4));
    const ports = one.packets.map(({ port }) => port).filter((port) => port > 50_000);
    assert.deepEqual(ports, [50_001, 50_002, 50_003, 50_004, 50_005, 50_009]);
  });

  it('does not hear a tagged frame twice on any', async () => {
    const one = await capture({ interfaces: ['any'] });
    const frame = (port: number, tags: readonly (readonly [number, number])[]) =>
      frameOf('ethernet', ip4(6, tcp({ port })), tags).toString('hex');
    const frames = [frame(50_101, [[0x8100, 5]]), frame(50_102, [[0x8100, 0]]), frame(50_103, [])];
    await to(SERVER4, { frames, interface: network.interfaces.client });
    await one.until('last', () => has(one, 50_103, SERVER4));
    const ports = one.packets.map(({ port }) => port).filter((port) => port > 50_000);
    assert.deepEqual(ports, [50_102, 50_103]);
  });

  it('hears knocks on a link without a link layer (tun)', async () => {
    // A tun device has a carrier only while a program holds it; perl-base is on every Debian.
    const script = `open(T,"+<","/dev/net/tun")||die; my $r=pack("a16S","ptun0",0x1001);
      ioctl(T,0x400454ca,$r)||die $!; $|=1; print "up\\n";
      while(<STDIN>){chomp; syswrite(T,pack("H*",$_));}`;
    const argv = ['netns', 'exec', network.namespaces.server, 'perl', '-e', script];
    const tun = spawn('ip', argv, { stdio: ['pipe', 'pipe', 'inherit'] });
    try {
      await new Promise((resolve) => tun.stdout.once('data', resolve));
      await ipServer('addr', 'add', '198.51.100.1/24', 'dev', 'ptun0');
      await ipServer('link', 'set', 'ptun0', 'up');
      const one = await capture({ interfaces: ['ptun0'] });
      await one.state('listening');
      const ends = { source: [198, 51, 100, 2], destination: [198, 51, 100, 1] };
      tun.stdin.write(`${ip4(6, tcp({ port: 47_001, sequence: 7 }), ends).toString('hex')}\n`);
      await one.until('knock', () => has(one, 47_001, '198.51.100.1'));
      assert.deepEqual(
        one.packets.map(({ source, sequence }) => [source, sequence]),
        [['198.51.100.2', 7]],
      );
    } finally {
      await endProcess(tun);
    }
  });

  it('keeps what a listening service gets out of the sensor', async () => {
    const listen = 'require("net").createServer().listen(47009,"::",()=>console.log("up"))';
    const service = network.spawn('server', [process.execPath, '-e', listen]);
    await new Promise((resolve) => service.stdout?.once('data', resolve));
    const one = await capture();
    await to(SERVER4, { connect: [47_009, 47_008] });
    await one.until('stray', () => has(one, 47_008, SERVER4));
    assert.ok(!has(one, 47_009, SERVER4));
    await endProcess(service);
  });

  it('comes back within half a second of the link, and says why it waits', async () => {
    const one = await capture();
    const name = network.interfaces.server;
    await ipServer('link', 'set', name, 'down');
    await one.state('waiting');
    assert.equal(one.status[0]?.reason, `the interface ${name} is down`);
    await ipServer('link', 'set', name, 'up');
    await one.state('listening', 500);
    assert.ok((await heard(one, SERVER4, 51_001)) < 2000);
    await ipServer('addr', 'add', `${SERVER6}/64`, 'dev', name, 'nodad');
  });

  it('waits for an interface that is not there, and follows one that is deleted and made again', async () => {
    const one = await capture({
      interfaces: ['ptlate0'],
      plan: { doors: [{ ...DOOR, target: '203.0.113.1' }], strays: true },
    });
    assert.equal(one.status[0]?.state, 'waiting');
    assert.equal(one.status[0]?.reason, 'there is no interface ptlate0');
    for (const port of [52_001, 52_002]) {
      await ipServer('link', 'add', 'ptlate0', 'type', 'veth', 'peer', 'name', 'ptlate1');
      await ipServer('link', 'set', 'ptlate1', 'up');
      await ipServer('link', 'set', 'ptlate0', 'up');
      await one.state('listening', 1000);
      await ipServer('addr', 'add', '203.0.113.2/24', 'dev', 'ptlate0');
      await ipServer(
        'neigh',
        'add',
        '203.0.113.1',
        'lladdr',
        '02:00:00:00:00:01',
        'dev',
        'ptlate0',
      );
      const script = `require("dgram").createSocket("udp4").send("x",${port},"203.0.113.1",()=>process.exit())`;
      await network.must('server', [process.execPath, '-e', script]);
      await one.until('packet', () => has(one, port, '203.0.113.1'));
      await ipServer('link', 'del', 'ptlate0');
      await one.state('waiting');
    }
  });

  it('follows an address that comes', async () => {
    const one = await capture();
    await ipServer('addr', 'add', '192.0.2.50/24', 'dev', network.interfaces.server);
    assert.ok((await heard(one, '192.0.2.50', 53_002)) < 2000);
    await ipServer('addr', 'del', '192.0.2.50/24', 'dev', network.interfaces.server);
  });

  it('changes its filter under traffic and loses nothing, and hears nothing twice', async () => {
    const one = await capture({ bufferBytes: 32 << 20 });
    const ports = Array.from({ length: 4000 }, (_, i) => 10_000 + i);
    const sending = to(SERVER4, { ports, everyMs: 0.5 });
    let sent = false;
    void sending.finally(() => {
      sent = true;
    });
    const other = { ...DOOR, knocks: [{ port: 47_010, protocol: 'udp' }] } as const;
    let changes = 0;
    for (; !sent; changes += 1) {
      const ignorePorts = [{ from: 60_000, to: 60_000 + (changes % 2) }];
      await one.setPlan({ doors: [changes % 2 === 0 ? other : DOOR], strays: true, ignorePorts });
    }
    await sending;
    await to(SERVER4, { ports: [54_000] });
    await one.until('last', () => has(one, 54_000, SERVER4));
    const heardPorts = one.packets.map(({ port }) => port).filter((port) => port < 20_000);
    assert.deepEqual(
      heardPorts.toSorted((a, b) => a - b),
      ports,
    );
    assert.ok(changes >= 10, `${changes} changes`);
    assert.equal(one.status[0]?.restarts, 0);
  });

  it('starts a sensor again that was killed', async () => {
    const one = await capture();
    const pid = one.status[0]?.pid ?? 0;
    process.kill(pid, 'SIGKILL');
    await one.until(
      'another',
      () => one.status[0]?.pid !== pid && one.status[0]?.state === 'listening',
    );
    assert.equal(one.status[0]?.restarts, 1);
    assert.ok((await heard(one, SERVER4, 55_001)) < 2000);
  });

  it('runs the sensor as nobody with CAP_NET_RAW alone, and no port in any command line', async () => {
    const one = await capture();
    const pid = one.status[0]?.pid ?? 0;
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const field = (name: string) => new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(status)?.[1];
    assert.equal(field('Uid'), '65534\t65534\t65534\t65534');
    assert.equal(field('Groups')?.trim(), '');
    for (const name of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
      assert.equal(field(name), '0000000000002000', name);
    assert.equal(field('NoNewPrivs'), '1');
    assert.match(readFileSync(`/proc/${pid}/limits`, 'utf8'), /Max core file size\s+0\s+0/);
    assert.doesNotMatch(readFileSync(`/proc/${pid}/environ`, 'utf8'), /4700\d/);
    const pids = readdirSync('/proc').filter(
      (name) => /^\d+$/.test(name) && pidAlive(Number(name)),
    );
    const lines = pids.map((name) => readFileSync(`/proc/${name}/cmdline`, 'utf8'));
    assert.ok(lines.some((line) => line.includes('sensor.js')));
    assert.ok(lines.every((line) => !/4700[12]/.test(line)));
    assert.ok(one.messages.every(({ log }) => !/4700[12]/.test(JSON.stringify(log ?? ''))));
  });

  it('runs the sensor without root as the same user with CAP_NET_RAW alone', async () => {
    const root = installCopy(0o755);
    try {
      const caps = '-all,+net_raw,+net_bind_service';
      const prefix = ['setpriv', '--reuid', 'nobody', '--regid', 'nogroup', '--clear-groups'];
      prefix.push('--inh-caps', caps, '--ambient-caps', caps);
      const one = await capture({ user: 'root' }, { root, prefix });
      await one.state('listening');
      const status = readFileSync(`/proc/${one.status[0]?.pid}/status`, 'utf8');
      assert.match(status, /^Uid:\t65534/m);
      assert.match(status, /^CapEff:\t0{12}2000$/m);
      assert.match(status, /^CapPrm:\t0{12}2000$/m);
      assert.ok((await heard(one, SERVER4, 56_001)) < 2000);
      await one.stop();
    } finally {
      rmSync(root, { recursive: true });
    }
  });

  it('keeps CAP_NET_RAW alone, and says so, where the user cannot read the sensor', async () => {
    const root = installCopy(0o700);
    try {
      const one = await capture({}, { root });
      await one.state('listening');
      const status = readFileSync(`/proc/${one.status[0]?.pid}/status`, 'utf8');
      assert.match(status, /^Uid:\t0\t/m);
      for (const name of ['CapEff', 'CapPrm', 'CapBnd'])
        assert.match(status, new RegExp(`^${name}:\\t0{12}2000$`, 'm'));
      const warnings = one.messages.flatMap(({ log }) => (log?.level === 'warn' ? log.text : []));
      assert.match(warnings.join(), /runs as root with CAP_NET_RAW alone.*nobody cannot read/);
      await one.stop();
    } finally {
      rmSync(root, { recursive: true });
    }
  });

  it('says in one sentence what to run, where there is no right to capture', async () => {
    const prefix = ['setpriv', '--bounding-set', '-all', '--inh-caps', '-all'];
    const options = { interfaces: ['lo'], plan: PLAN, bufferBytes: 1 << 20, user: 'nobody' };
    const one = new RunningCapture(network.namespaces.server, options, { prefix });
    running.push(one);
    await one.until('error', () => one.messages.some(({ error }) => error !== undefined));
    assert.match(
      one.messages.find(({ error }) => error)?.error ?? '',
      /CAP_NET_RAW: run it with sudo/,
    );
  });

  it('takes its sensor with it when it is killed', async () => {
    const one = await capture();
    const pid = one.status[0]?.pid ?? 0;
    one.child.kill('SIGKILL');
    assert.ok(await pidGone(pid, 1000));
  });

  it('leaves no sensor behind when it stops', async () => {
    const one = await capture();
    const pid = one.status[0]?.pid ?? 0;
    await one.stop();
    assert.equal(pidAlive(pid), false);
    assert.ok(one.messages.some(({ stopped }) => stopped === true));
    assert.equal(one.status[0]?.state, 'stopped');
  });

  it('refuses a user that does not exist, in one sentence', async () => {
    const one = new RunningCapture(network.namespaces.server, {
      ...{ interfaces: ['lo'], plan: PLAN, bufferBytes: 1 << 20, user: 'no-such-user' },
    });
    running.push(one);
    await one.until('error', () => one.messages.some(({ error }) => error !== undefined));
    assert.match(one.messages.find(({ error }) => error)?.error ?? '', /no-such-user.*sensor_user/);
  });
});
