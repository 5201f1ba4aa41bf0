import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Packet } from '../../machines/types.js';
import { frameOf, pcapOf } from '../differential/frames.js';
import { node } from '../support/daemon.js';
import { run } from '../support/run.js';

const HOST = '192.0.2.1';
const MAC = '02:00:00:00:00:01';
const START_MS = Date.UTC(2026, 0, 2, 3, 4, 5);

const CONF = `[ssh]
sequence = 7000,8000,9000
seq_timeout = 10
tcpflags = syn
command = false
[mixed]
sequence = 2222:udp,3333
seq_timeout = 5
[once]
one_time_sequences = ONCE
command = false
`;

let serial = 0;

/** A SYN (or UDP) at so many seconds from the start of the capture. */
function hit(second: number, port: number, more: Partial<Packet> = {}): Packet {
  serial++;
  return {
    atMs: START_MS + second * 1000,
    source: '198.51.100.7',
    destination: HOST,
    protocol: 'tcp',
    sourcePort: 40_000 + serial,
    port,
    flags: more.protocol === 'udp' ? 0 : 2,
    sequence: more.protocol === 'udp' ? 0 : serial,
    interfaceIndex: 0,
    ...more,
  };
}

describe('postern replay', () => {
  let folder: string;
  let conf: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-replay-'));
    conf = join(folder, 'knockd.conf');
    const once = join(folder, 'once');
    await writeFile(once, ' 5001,5002\n 5003,5004\n', { mode: 0o600 });
    await writeFile(conf, CONF.replace('ONCE', once), { mode: 0o600 });
  });
  after(() => rm(folder, { recursive: true }));

  async function replay(packets: readonly Packet[], ...args: string[]) {
    const file = join(folder, 'capture.pcap');
    const frames = packets.map((packet) => ({
      atMs: packet.atMs,
      bytes: frameOf(packet, MAC, MAC),
    }));
    await writeFile(file, pcapOf(frames));
    return run(node('postern', 'replay', file, '-c', conf, ...args));
  }

  it('says what would have opened, in the time of the file, and runs nothing', async () => {
    const { code, stdout } = await replay([hit(0, 7000), hit(1, 8000), hit(2.5, 9000)]);
    assert.equal(code, 0);
    assert.match(stdout, /03:04:05\.000 {2}198\.51\.100\.7 {2}ssh: stage 1 of 3/);
    assert.match(stdout, /03:04:07\.500 {2}198\.51\.100\.7 {2}ssh: would have OPENED/);
    assert.match(stdout, /ssh: would have opened once/);
    assert.match(stdout, /3 frames, 3 TCP or UDP packets; 1 opening$/m);
  });

  it('says why an attempt was spoiled: wrong knock, stray, timeout at its stage', async () => {
    const strays = [100, 101, 102, 103].map((port, i) => hit(40 + i / 10, port));
    const { stdout } = await replay([
      ...[hit(0, 7000), hit(1, 9000)],
      ...[hit(20, 7000), hit(21, 8000)],
      ...[hit(39, 7000), ...strays, hit(41, 8000)],
    ]);
    const said = stdout.split('\n').filter((line) => / {2}ssh: [st]/.test(line));
    assert.deepEqual(
      said.map((line) => line.replace(/^.* ssh: /, '')),
      [
        'stage 1 of 3',
        'spoiled at stage 1 of 3: wrong knock',
        'stage 1 of 3',
        'stage 2 of 3',
        'timeout at stage 2 of 3 (after 10 s)',
        'stage 1 of 3',
        'spoiled at stage 1 of 3: stray (too many other ports)',
      ],
    );
    assert.match(stdout, /30\.000|35\.000/, 'the timeout is told at its time');
    assert.match(stdout, /ssh: reached stage 2 of 3/);
  });

  it('takes --address and --listening for the host', async () => {
    const elsewhere = [7000, 8000, 9000].map((port, i) =>
      hit(i, port, { destination: '192.0.2.99' }),
    );
    const away = await replay(elsewhere, '--address', HOST);
    assert.match(away.stdout, /nobody hit a first knock/);
    const busy = [hit(0, 7000), ...[22, 80, 443, 993].map((port) => hit(1, port))];
    const rest = [hit(2, 8000), hit(3, 9000)];
    const spoiled = await replay([...busy, ...rest], '--address', HOST);
    assert.match(spoiled.stdout, /stray/);
    const opened = await replay([...busy, ...rest], '--address', HOST, '--listening', '22,80,443');
    assert.match(opened.stdout, /OPENED/);
  });

  it('ignores a source that begins too many attempts, as postern does (M12)', async () => {
    const tries = Array.from({ length: 62 }, (_, i) => hit(i / 1000, 7000));
    const knock = (second: number) => [7000, 8000, 9000].map((port) => hit(second, port));
    const { stdout } = await replay([...tries, ...knock(59), ...knock(61)]);
    assert.equal(stdout.match(/ssh: too many attempts: the source is ignored/g)?.length, 1);
    assert.equal(stdout.match(/ssh: no attempt begun: the source is ignored/g)?.length, 3);
    assert.equal(stdout.match(/ssh: would have OPENED/g)?.length, 1);
    assert.match(stdout, /05:06\.000 {2}198\.51\.100\.7 {2}ssh: would have OPENED/);
  });

  it('goes through one-time sequences in order, and leaves their file alone', async () => {
    const before = await readFile(join(folder, 'once'), 'utf8');
    const ports = [5001, 5002, 5001, 5002, 5003, 5004];
    const { stdout } = await replay(ports.map((port, i) => hit(i, port)));
    assert.equal(stdout.match(/once: would have OPENED/g)?.length, 2);
    assert.equal(await readFile(join(folder, 'once'), 'utf8'), before);
  });

  it('tells what was under way when the capture ended', async () => {
    const { stdout } = await replay([hit(0, 2222, { protocol: 'udp' })]);
    assert.match(stdout, /mixed: still at stage 1 of 2 when the capture ended/);
  });

  it('prints JSON lines, without a port of a sequence', async () => {
    const { stdout } = await replay([hit(0, 7000), hit(1, 8000), hit(2, 9000)], '--json');
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      events.map(({ kind, stage, of }) => `${kind} ${stage}/${of}`),
      ['begun 1/3', 'advanced 2/3', 'completed 3/3'],
    );
    assert.doesNotMatch(stdout.replaceAll(/"atMs":\d+/g, ''), /7000|8000|9000/);
  });

  it('says of an empty capture that nobody knocked', async () => {
    const { code, stdout } = await replay([]);
    assert.equal(code, 0);
    assert.match(stdout, /^0 frames, 0 TCP or UDP packets; nobody hit a first knock$/m);
  });

  it('says in one line what it cannot read', async () => {
    const missing = await run(node('postern', 'replay', join(folder, 'none.pcap'), '-c', conf));
    assert.equal(missing.code, 1);
    assert.equal(missing.stderr.trim().split('\n').length, 1);
    const wrong = await replay([], '--address', 'here');
    assert.match(wrong.stderr, /--address here: write an IP address/);
  });
});
