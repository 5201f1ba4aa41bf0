import assert from 'node:assert/strict';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type CrashDoor, commandDoor, KERNEL_DOORS } from '../crash/doors.js';
import { CrashHost } from '../crash/host.js';
import { finish } from '../crash/run.js';
import { eventually } from '../support/eventually.js';
import { requireRoot } from '../support/root.js';
import { mustRun, run } from '../support/run.js';
import { logLine } from './log.js';

const SOURCES = [10, 11, 12].map((last) => `192.0.2.${last}`);
const [FIRST, SECOND, THIRD] = SOURCES as [string, string, string];
const SIZE = '6m';
const COMMANDS = commandDoor('commands', [7001, 9001, 8001], 2221, { cmdTimeout: 3 });
const KERNEL = KERNEL_DOORS[0] as CrashDoor;

/**
 * T14. The state folder, and in it the private Redis, on a file system of its own that is filled.
 * With `appendfsync always` Redis ends as soon as it cannot write.
 */
describe('the disk is full (T14)', () => {
  let host: CrashHost;
  let state: string;
  before(function () {
    requireRoot(this);
  });
  beforeEach(async () => {
    host = await CrashHost.make({ doors: [COMMANDS, KERNEL], sources: SOURCES });
    state = join(host.folder, 'state');
    await mkdir(state);
    await mustRun(['mount', '-t', 'tmpfs', '-o', `size=${SIZE},mode=0700`, 'tmpfs', state]);
  });
  afterEach(async function () {
    if (this.currentTest?.state === 'failed') process.stderr.write(host.postern.logs);
    await host.postern.dispose();
    await run(['umount', '-l', state]);
    await host.dispose();
  });

  async function fill(): Promise<void> {
    const argv = ['dd', 'if=/dev/zero', `of=${state}/filler`, 'bs=4k', 'status=none'];
    assert.notEqual((await run(argv)).code, 0, 'it is full');
  }

  const opens = (source: string, { name, port }: CrashDoor) =>
    eventually(`${name} opens`, () => host.client.isOpen(source, port) === true);

  /** Some events still fit into what the journal's last block has left. */
  async function knocksUntilRefused({ name, sequence }: CrashDoor, source: string): Promise<void> {
    for (let knocks = 0; knocks < 10; knocks += 1) {
      const from = host.postern.logs.length;
      await host.client.knock(source, sequence);
      const knockedMs = Date.now();
      const about = new RegExp(`"door":"${name}","source":"${source}".*"msg":`);
      const { text, atMs } = await logLine(host.postern.program, about, from);
      assert.ok(atMs - knockedMs < 1000, `answered after ${atMs - knockedMs} ms`);
      if (/not opened/.test(text)) return;
    }
    assert.fail('it was never refused');
  }

  it('what is open is closed in time, commands are refused aloud, the kernel’s doors open, and all is well again when there is room', async function () {
    this.timeout(90_000);
    await host.start();
    await host.client.knock(FIRST, COMMANDS.sequence);
    await opens(FIRST, COMMANDS);
    await fill();

    await knocksUntilRefused(COMMANDS, SECOND);
    // Nobody is locked out by a full disk: a door that the kernel times opens, and says so.
    const from = host.postern.logs.length;
    await host.client.knock(THIRD, KERNEL.sequence);
    await opens(THIRD, KERNEL);
    await logLine(host.postern.program, /"door":"kernel".*done without the journal/, from);

    const allStopped = async () => (await host.stops()).length === (await host.starts()).length;
    await eventually('closed without a journal', allStopped, { withinMs: 6000 });
    await rm(join(state, 'filler'));
    await logLine(host.postern.program, /redis-server is back/, from);
    const { faults, ...figures } = await finish(host);
    process.stderr.write(`${JSON.stringify(figures)}\n`);
    assert.deepEqual(faults, []);
    assert.deepEqual(host.strays, []);
  });

  it('a core that is killed then cannot start, and says why; the kernel closes its doors, and the first start with room closes the others', async function () {
    this.timeout(90_000);
    await host.start();
    await host.client.knock(FIRST, COMMANDS.sequence);
    await host.client.knock(SECOND, KERNEL.sequence);
    await Promise.all([opens(FIRST, COMMANDS), opens(SECOND, KERNEL)]);
    await fill();
    await host.killCore();
    const { program } = await host.begin();
    assert.equal((await program.ended()).code, 1);
    assert.match(program.logs, /POSTERN_E_\w+/);
    assert.doesNotMatch(program.logs, /^\s+at /m);
    const isShut = () => host.client.isOpen(SECOND, KERNEL.port) === false;
    await eventually('the kernel closed its door', isShut, { withinMs: 4000 });
    await rm(join(state, 'filler'));
    await host.restart();
    const { faults } = await finish(host);
    assert.deepEqual(faults, []);
    assert.deepEqual(host.strays, []);
  });
});
