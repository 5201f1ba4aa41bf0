import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { SERVER4, SERVER6 } from '../support/netns.js';
import { endProcess } from '../support/processes.js';
import { frameOf, ip4, ip6, tcp, udp } from './frames.js';
import { DOOR, Stage } from './stage.js';

describe('capture on real interfaces', function () {
  this.timeout(30_000);
  const stage = new Stage();

  for (const [link, name] of [['Ethernet'], ['any', 'any']] as const)
    it(`hears knocks over IPv4 and IPv6 (${link})`, async () => {
      const one = await stage.capture(name === undefined ? {} : { interfaces: [name] });
      assert.equal(one.status[0]?.state, 'listening');
      for (const address of [SERVER4, SERVER6]) {
        await stage.to(address, { connect: [47_001], ports: [47_002] });
        await one.until('both', () => one.has(47_001, address) && one.has(47_002, address));
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
    const one = await stage.capture();
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
    await stage.to(SERVER4, { frames, interface: stage.network.interfaces.client });
    await one.until('last', () => one.has(50_009, SERVER4));
    const ports = one.packets.map(({ port }) => port).filter((port) => port > 50_000);
    assert.deepEqual(ports, [50_001, 50_002, 50_003, 50_004, 50_005, 50_009]);
  });

  it('does not hear a tagged frame twice on any', async () => {
    const one = await stage.capture({ interfaces: ['any'] });
    const frame = (port: number, tags: readonly (readonly [number, number])[]) =>
      frameOf('ethernet', ip4(6, tcp({ port })), tags).toString('hex');
    const frames = [frame(50_101, [[0x8100, 5]]), frame(50_102, [[0x8100, 0]]), frame(50_103, [])];
    await stage.to(SERVER4, { frames, interface: stage.network.interfaces.client });
    await one.until('last', () => one.has(50_103, SERVER4));
    const ports = one.packets.map(({ port }) => port).filter((port) => port > 50_000);
    assert.deepEqual(ports, [50_102, 50_103]);
  });

  it('hears knocks on a link without a link layer (tun)', async () => {
    // A tun device has a carrier only while a program holds it; perl-base is on every Debian.
    const script = `open(T,"+<","/dev/net/tun")||die; my $r=pack("a16S","ptun0",0x1001);
      ioctl(T,0x400454ca,$r)||die $!; $|=1; print "up\\n";
      while(<STDIN>){chomp; syswrite(T,pack("H*",$_));}`;
    const argv = ['netns', 'exec', stage.network.namespaces.server, 'perl', '-e', script];
    const tun = spawn('ip', argv, { stdio: ['pipe', 'pipe', 'inherit'] });
    try {
      await new Promise((resolve) => tun.stdout.once('data', resolve));
      await stage.ipServer('addr', 'add', '198.51.100.1/24', 'dev', 'ptun0');
      await stage.ipServer('link', 'set', 'ptun0', 'up');
      const one = await stage.capture({ interfaces: ['ptun0'] });
      await one.state('listening');
      const ends = { source: [198, 51, 100, 2], destination: [198, 51, 100, 1] };
      tun.stdin.write(`${ip4(6, tcp({ port: 47_001, sequence: 7 }), ends).toString('hex')}\n`);
      await one.until('knock', () => one.has(47_001, '198.51.100.1'));
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
    const service = stage.network.spawn('server', [process.execPath, '-e', listen]);
    await new Promise((resolve) => service.stdout?.once('data', resolve));
    const one = await stage.capture();
    await stage.to(SERVER4, { connect: [47_009, 47_008] });
    await one.until('stray', () => one.has(47_008, SERVER4));
    assert.ok(!one.has(47_009, SERVER4));
    await endProcess(service);
  });

  it('comes back within half a second of the link, and says why it waits', async () => {
    const one = await stage.capture();
    const name = stage.network.interfaces.server;
    await stage.ipServer('link', 'set', name, 'down');
    await one.state('waiting');
    assert.equal(one.status[0]?.reason, `the interface ${name} is down`);
    await stage.ipServer('link', 'set', name, 'up');
    await one.state('listening', 500);
    assert.ok((await stage.heard(one, SERVER4, 51_001)) < 2000);
    await stage.ipServer('addr', 'add', `${SERVER6}/64`, 'dev', name, 'nodad');
  });

  it('waits for an interface that is not there, and follows one that is deleted and made again', async () => {
    const one = await stage.capture({
      interfaces: ['ptlate0'],
      plan: { doors: [{ ...DOOR, target: '203.0.113.1' }], strays: true },
    });
    assert.equal(one.status[0]?.state, 'waiting');
    assert.equal(one.status[0]?.reason, 'there is no interface ptlate0');
    for (const port of [52_001, 52_002]) {
      await stage.ipServer('link', 'add', 'ptlate0', 'type', 'veth', 'peer', 'name', 'ptlate1');
      await stage.ipServer('link', 'set', 'ptlate1', 'up');
      await stage.ipServer('link', 'set', 'ptlate0', 'up');
      await one.state('listening', 1000);
      await stage.ipServer('addr', 'add', '203.0.113.2/24', 'dev', 'ptlate0');
      await stage.ipServer(
        'neigh',
        'add',
        '203.0.113.1',
        'lladdr',
        '02:00:00:00:00:01',
        'dev',
        'ptlate0',
      );
      const script = `require("dgram").createSocket("udp4").send("x",${port},"203.0.113.1",()=>process.exit())`;
      await stage.network.must('server', [process.execPath, '-e', script]);
      await one.until('packet', () => one.has(port, '203.0.113.1'));
      await stage.ipServer('link', 'del', 'ptlate0');
      await one.state('waiting');
    }
  });

  it('follows an address that comes', async () => {
    const one = await stage.capture();
    await stage.ipServer('addr', 'add', '192.0.2.50/24', 'dev', stage.network.interfaces.server);
    assert.ok((await stage.heard(one, '192.0.2.50', 53_002)) < 2000);
    await stage.ipServer('addr', 'del', '192.0.2.50/24', 'dev', stage.network.interfaces.server);
  });

  it('changes its filter under traffic and loses nothing, and hears nothing twice', async () => {
    const one = await stage.capture({ bufferBytes: 32 << 20 });
    const ports = Array.from({ length: 4000 }, (_, i) => 10_000 + i);
    const sending = stage.to(SERVER4, { ports, everyMs: 0.5 });
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
    await stage.to(SERVER4, { ports: [54_000] });
    await one.until('last', () => one.has(54_000, SERVER4));
    const heardPorts = one.packets.map(({ port }) => port).filter((port) => port < 20_000);
    assert.deepEqual(
      heardPorts.toSorted((a, b) => a - b),
      ports,
    );
    assert.ok(changes >= 10, `${changes} changes`);
    assert.equal(one.status[0]?.restarts, 0);
  });

  it('starts a sensor again that was killed', async () => {
    const one = await stage.capture();
    const pid = one.status[0]?.pid ?? 0;
    process.kill(pid, 'SIGKILL');
    await one.until(
      'another',
      () => one.status[0]?.pid !== pid && one.status[0]?.state === 'listening',
    );
    assert.equal(one.status[0]?.restarts, 1);
    assert.ok((await stage.heard(one, SERVER4, 55_001)) < 2000);
  });
});
