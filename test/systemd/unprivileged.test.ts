/** postern-nft.service without its systemd: the user, the rights and the words that it has there. */
import assert from 'node:assert/strict';
import { chmod, chown, mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cloneFolder } from '../support/clone.js';
import { section } from '../support/conf.js';
import { LISTENING, makeFolder, node } from '../support/daemon.js';
import { SERVICE, useLab } from '../support/lab.js';
import { SERVER4, SERVER6 } from '../support/netns.js';
import { poll } from '../support/poll.js';
import { commandLine, descendants } from '../support/process-tree.js';
import { pidGone } from '../support/processes.js';
import type { Program } from '../support/program.js';
import { mustRun } from '../support/run.js';
import { NotifySocket, requireSystemd } from './support.js';

const NOBODY = 65534;
const SEQUENCE = ['7000', '9000:udp', '8000'];
const CONF =
  '[options]\n\tnft_guard = yes\n' +
  section('ssh', {
    sequence: SEQUENCE.join(','),
    tcpflags: 'syn',
    allow: `${SERVICE}/tcp`,
    cmd_timeout: 2,
  });

describe('an installed postern as a user with the rights of postern-nft.service', function () {
  this.timeout(60_000);
  const lab = useLab();
  let installed: string | undefined;
  let socket: NotifySocket;
  let program: Program;

  before(async function () {
    requireSystemd(this);
    installed = await makeFolder();
    await chmod(installed, 0o755);
    await mustRun(node('postern', 'install', '--root', installed), { timeoutMs: 40_000 });
  });
  after(async () => {
    if (installed !== undefined) await rm(installed, { recursive: true });
  });

  beforeEach(async () => {
    const folder = await lab.folder();
    await chmod(folder, 0o755);
    const conf = join(folder, 'knockd.conf');
    await lab.write(conf, CONF);
    await chown(conf, 0, NOBODY);
    await chmod(conf, 0o640);
    const state = join(folder, 'state');
    await mkdir(state, { mode: 0o700 });
    await chown(state, NOBODY, NOBODY);
    socket = await NotifySocket.listen(folder);
    const cli = join(installed ?? '', 'usr/local/lib/postern/dist/src/cli/postern.js');
    const run = ['run', '-c', conf, '-i', lab.network.interfaces.server, '--state-dir', state];
    const argv = [...(await rights()), process.execPath, cli, ...run];
    program = lab.program(argv, {
      PATH: process.env['PATH'],
      NOTIFY_SOCKET: socket.path,
      WATCHDOG_USEC: '1000000',
    });
    await program.waitFor(LISTENING, { withinMs: 20_000 });
  });
  afterEach(() => socket.close());

  it('captures, opens and closes a door, and nothing of it is root', async () => {
    await assertRights();
    for (const server of [SERVER4, SERVER6]) {
      assert.equal(await lab.reaches(server), false, 'shut by the guard');
      await lab.knock(server, SEQUENCE);
      await lab.opens(server);
      await lab.shuts(server, 6000);
    }
    assert.deepEqual(await program.end(), { code: 0, signal: null });
  });

  it('says when it listens, that it lives only while it does, and that it ends', async () => {
    await socket.heard.waitFor(/READY=1/);
    assert.match(socket.words[0] ?? '', /STATUS=listening on pt/);
    await poll(() => socket.pings >= 2, 'answers to the watchdog');
    program.child.kill('SIGSTOP');
    // A ping that was under way arrives; from then on there is nobody to start another one.
    await new Promise((resolve) => setTimeout(resolve, 500));
    const before = socket.pings;
    await new Promise((resolve) => setTimeout(resolve, 1500));
    assert.equal(socket.pings, before);
    program.child.kill('SIGCONT');
    await poll(() => socket.pings > before, 'answers go on');
    assert.deepEqual(await program.end(), { code: 0, signal: null });
    await socket.heard.waitFor(/STOPPING=1/);
  });

  it('takes its Redis and its sensor with it when systemd kills it', async () => {
    const family = descendants(program.pid).filter((pid) =>
      /redis-server|sensor/.test(commandLine(pid)),
    );
    assert.equal(family.length, 2);
    await program.end('SIGKILL');
    for (const pid of family) assert.ok(await pidGone(pid), commandLine(pid));
  });

  async function assertRights(): Promise<void> {
    const all = [program.pid, ...descendants(program.pid)];
    for (const pid of all) {
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => undefined);
      // A systemd-notify may be gone by now.
      if (status === undefined) continue;
      const what = commandLine(pid);
      assert.match(status, /^Uid:\t65534\t65534\t65534\t65534$/m, what);
      assert.match(status, /^NoNewPrivs:\t1$/m, what);
      const held = /^CapPrm:\t([0-9a-f]+)$/m.exec(status)?.[1];
      const most = what.includes('sensor.js') ? NET_RAW : NET_RAW | NET_ADMIN;
      assert.equal(BigInt(`0x${held}`) & ~most, 0n, what);
    }
  }
});

/** capabilities(7) */
const NET_ADMIN = 1n << 12n;
const NET_RAW = 1n << 13n;

/** What the unit says of rights, in setpriv's words. */
async function rights(): Promise<string[]> {
  const unit = await readFile(join(cloneFolder(), 'config/systemd/postern-nft.service'), 'utf8');
  const capabilities = (directive: string) => {
    const words = new RegExp(`^${directive}=(.*)$`, 'm').exec(unit)?.[1]?.split(' ') ?? [];
    return ['-all', ...words.map((word) => `+${word.replace('CAP_', '').toLowerCase()}`)].join();
  };
  assert.match(unit, /^NoNewPrivileges=yes$/m);
  const ambient = capabilities('AmbientCapabilities');
  return [
    ...['setpriv', '--reuid', `${NOBODY}`, '--regid', `${NOBODY}`, '--clear-groups'],
    ...['--no-new-privs', '--bounding-set', capabilities('CapabilityBoundingSet')],
    ...['--inh-caps', ambient, '--ambient-caps', ambient],
  ];
}
