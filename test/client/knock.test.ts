import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { runKnock } from '../../src/cli/knock.js';
import { knock } from '../../src/client/knock.js';

async function command(...argv: string[]) {
  let [stdout, stderr] = ['', ''];
  const code = await runKnock(argv, {
    defaultDelayMs: 0,
    name: 'knock',
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
  });
  return { code, stdout, stderr };
}

async function listen(address: string): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(0, address);
  await once(socket, 'listening');
  return socket;
}

const portOf = (socket: Socket) => (socket.address() as AddressInfo).port;

describe('the knock client', () => {
  const open: Socket[] = [];
  afterEach(() => {
    for (const socket of open.splice(0)) socket.close();
  });

  it('resolves a name once and sends the whole sequence to that one address', async () => {
    const first = await listen('127.0.0.2');
    open.push(first);
    const addresses = ['127.0.0.2', '127.0.0.3', '127.0.0.4'];
    let asked = 0;
    const hit: string[] = [];
    const arrived = once(first, 'message');
    await knock({
      host: 'gate.example',
      hits: [
        { port: 9, protocol: 'tcp' },
        { port: 9, protocol: 'udp' },
        { port: portOf(first), protocol: 'udp' },
      ],
      delayMs: 1,
      onHit: (_, address) => hit.push(address),
      lookup: async () => ({ address: addresses[asked++] ?? '', family: 4 }),
    });
    assert.deepEqual(hit, ['127.0.0.2', '127.0.0.2', '127.0.0.2']);
    assert.equal(asked, 1);
    const [payload] = await arrived;
    assert.deepEqual([...payload], [0], 'the payload that knock(1) sends');
  });

  it('asks the resolver for the family that was chosen', async () => {
    const families: number[] = [];
    const lookup = async (_: string, { family }: { family: number }) => {
      families.push(family);
      return family === 6 ? { address: '::1', family } : { address: '127.0.0.1', family: 4 };
    };
    const hits = [{ port: 9, protocol: 'tcp' }] as const;
    for (const family of [4, 6] as const)
      await knock({ host: 'gate.example', hits, delayMs: 0, family, lookup });
    await knock({ host: 'gate.example', hits, delayMs: 0, lookup });
    assert.deepEqual(families, [4, 6, 0]);
  });

  it('waits the delay between two hits, and neither before the first nor after the last', async () => {
    const times: number[] = [];
    const hits = [9, 9, 9].map((port) => ({ port, protocol: 'udp' as const }));
    const started = performance.now();
    const onHit = () => times.push(performance.now() - started);
    await knock({ host: '127.0.0.1', hits, delayMs: 300, onHit });
    const took = performance.now() - started;
    assert.ok(times[0]! < 290, `first after ${times[0]} ms`);
    assert.ok(times[2]! >= 595 && took < 890, `last after ${times[2]} ms, done after ${took} ms`);
  });
});

describe('the knock command', () => {
  it('says what it hits with -v, as knock(1)', async () => {
    const { code, stdout } = await command('-v', '127.0.0.1', '7000', '7001:udp', '7002:tcp');
    assert.equal(code, 0);
    const lines = ['tcp 127.0.0.1:7000', 'udp 127.0.0.1:7001', 'tcp 127.0.0.1:7002'];
    assert.equal(stdout, lines.map((line) => `hitting ${line}\n`).join(''));
  });

  it('takes options anywhere, joined or long, and -u for every hit', async () => {
    const { code, stdout } = await command('127.0.0.1', '-vud1', '7000', '--ipv4', '7001:tcp');
    assert.equal(code, 0);
    assert.equal(stdout, 'hitting udp 127.0.0.1:7000\nhitting udp 127.0.0.1:7001\n');
  });

  it('says nothing without -v', async () => {
    assert.deepEqual(await command('127.0.0.1', '7000'), { code: 0, stdout: '', stderr: '' });
  });

  it('shows the usage and exits 1 without a host and a port, and for -h, as knock(1)', async () => {
    for (const argv of [[], ['127.0.0.1'], ['-h'], ['--nonsense', '127.0.0.1', '7000']]) {
      const { code, stdout } = await command(...argv);
      assert.equal(code, 1, argv.join(' '));
      assert.match(stdout, /^usage: knock \[options\] <host> <port\[:proto\]>/);
    }
  });

  it('tells its version and exits 0', async () => {
    const { code, stdout } = await command('-V');
    assert.equal(code, 0);
    assert.match(stdout, /^knock \d+\.\d+\.\d+/);
  });

  it('exits 1 with one reason, sending nothing, for a wrong word', async () => {
    for (const [argv, reason] of [
      [['127.0.0.1', '7000', '7001:upd'], /^knock: hit 2: the protocol must be tcp or udp/],
      [['127.0.0.1', '70000'], /^knock: hit 1: the port must be a number from 1 to 65535/],
      [['-d', '-5', '127.0.0.1', '7000'], /^knock: delay cannot be negative/],
      [['-d', 'soon', '127.0.0.1', '7000'], /^knock: delay must be a number/],
      [['-6', '127.0.0.1', '7000'], /^knock: Failed to resolve hostname '127\.0\.0\.1'/],
    ] as const) {
      const { code, stdout, stderr } = await command('-v', ...argv);
      assert.equal(code, 1);
      assert.match(stderr, reason);
      assert.equal(stdout, '');
    }
  });
});
