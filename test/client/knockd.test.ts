import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createNetwork, type Network, SERVER4, SERVER6 } from '../support/netns.js';
import { endProcess } from '../support/processes.js';
import { requireRoot } from '../support/root.js';

const KNOCK = fileURLToPath(new URL('../../src/cli/knock.js', import.meta.url));
/** Twenty knocks in all: five for each family and delay. */
const ROUNDS = 5;

describe('the knock client and the real knockd', function () {
  this.timeout(30_000);
  let network: Network;
  let folder: string;
  before(async function () {
    requireRoot(this);
    folder = await mkdtemp(join(tmpdir(), 'postern-knockd-'));
    network = await createNetwork();
  });
  after(async () => {
    await network?.dispose();
    if (folder) await rm(folder, { recursive: true });
  });

  it('opens its door 20 times of 20: IPv4 and IPv6, tcp and udp, at once and with a delay', async () => {
    const conf = join(folder, 'knockd.conf');
    const door = '[mixed]\nsequence = 7003,7001:udp,7002\nseq_timeout = 10\ntcpflags = syn\n';
    await writeFile(conf, `[options]\nlogfile = ${folder}/log\n${door}command = true %IP%\n`);
    const argv = ['stdbuf', '-oL', 'knockd', '-v', '-c', conf, '-i', network.interfaces.server];
    const knockd = network.spawn('server', argv);
    assert.ok(knockd.stdout);
    let said = '';
    knockd.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    while (!said.includes('listening on')) await once(knockd.stdout, 'data');

    const expected: string[] = [];
    for (let round = 0; round < ROUNDS; round++)
      for (const [host, source] of [
        [SERVER4, '192.0.2.2'],
        [SERVER6, 'fd00:db8::2'],
      ] as const)
        for (const delay of ['0', '20']) {
          const hits = ['7003:tcp', '7001:udp', '7002'];
          const argv = [process.execPath, KNOCK, '-d', delay, host, ...hits];
          await network.must('client', argv);
          expected.push(source);
          const opened = () => said.split('OPEN SESAME').length - 1;
          while (opened() < expected.length) await once(knockd.stdout, 'data');
        }
    await endProcess(knockd);
    const log = await readFile(join(folder, 'log'), 'utf8');
    const opened = [...log.matchAll(/\] (\S+): mixed: OPEN SESAME/g)].map(([, source]) => source);
    assert.deepEqual(opened, expected);
  });

  it('says and exits as the real knock', async () => {
    for (const argv of [
      [],
      [SERVER4],
      ['-h'],
      ['-v', SERVER4, '7000', '7001:udp', '7002:tcp'],
      ['-6', '--verbose', SERVER6, '7000'],
      ['-vu', '-d', '5', SERVER4, '7000', '7001:tcp'],
      [SERVER4, '7000', '-v', '--delay=1', '7001'],
      ['--delay', '-1', SERVER4, '7000'],
      ['-4', SERVER6, '7000'],
      ['-x', SERVER4, '7000'],
    ]) {
      const theirs = await network.exec('client', ['knock', ...argv]);
      const ours = await network.exec('client', [process.execPath, KNOCK, ...argv]);
      assert.equal(ours.code, theirs.code, argv.join(' '));
      assert.equal(ours.stdout, theirs.stdout, argv.join(' '));
      assert.equal(ours.stderr === '', theirs.stderr === '', argv.join(' '));
    }
  });
});
