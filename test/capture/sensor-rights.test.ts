import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { SERVER4 } from '../support/netns.js';
import { commandLine } from '../support/process-tree.js';
import { pidAlive, pidGone } from '../support/processes.js';
import { installCopy } from './running.js';
import { Stage } from './stage.js';

describe('the rights and the life of a sensor', function () {
  this.timeout(30_000);
  const stage = new Stage();

  it('runs the sensor as nobody with CAP_NET_RAW alone, and no port in any command line', async () => {
    const root = installCopy(0o755);
    const one = await stage.capture({}, { root });
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
    const lines = pids.map((name) => commandLine(Number(name)));
    assert.ok(lines.some((line) => line.includes('sensor.js')));
    assert.ok(lines.every((line) => !/4700[12]/.test(line)));
    assert.ok(one.messages.every(({ log }) => !/4700[12]/.test(JSON.stringify(log ?? ''))));
    await one.stop();
    rmSync(root, { recursive: true });
  });

  it('runs the sensor without root as the same user with CAP_NET_RAW alone', async () => {
    const root = installCopy(0o755);
    try {
      const caps = '-all,+net_raw,+net_bind_service';
      const prefix = ['setpriv', '--reuid', 'nobody', '--regid', 'nogroup', '--clear-groups'];
      prefix.push('--inh-caps', caps, '--ambient-caps', caps);
      const one = await stage.capture({ user: 'root' }, { root, prefix });
      await one.state('listening');
      const status = readFileSync(`/proc/${one.status[0]?.pid}/status`, 'utf8');
      assert.match(status, /^Uid:\t65534/m);
      assert.match(status, /^CapEff:\t0{12}2000$/m);
      assert.match(status, /^CapPrm:\t0{12}2000$/m);
      assert.ok((await stage.heard(one, SERVER4, 56_001)) < 2000);
      await one.stop();
    } finally {
      rmSync(root, { recursive: true });
    }
  });

  it('keeps CAP_NET_RAW alone, and says so, where the user cannot read the sensor', async () => {
    const root = installCopy(0o700);
    try {
      const one = await stage.capture({}, { root });
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

  it("captures in a unit that bounds root's rights as Debian's for knockd does, and says so", async () => {
    const bounds = '-all,+net_raw,+net_admin,+sys_module';
    const prefix = ['setpriv', '--bounding-set', bounds];
    const one = await stage.capture({}, { prefix });
    await one.state('listening');
    assert.ok((await stage.heard(one, SERVER4, 56_001)) < 2000);
    const warnings = one.messages.flatMap(({ log }) => (log?.level === 'warn' ? log.text : []));
    assert.match(
      warnings.join(),
      /because CAP_KILL, CAP_SETGID, CAP_SETUID, CAP_SETPCAP are missing/,
    );
    const pid = one.status[0]?.pid ?? 0;
    await one.stop();
    assert.ok(await pidGone(pid));
  });

  it('says in one sentence what to run, where there is no right to capture', async () => {
    const prefix = ['setpriv', '--bounding-set', '-all', '--inh-caps', '-all'];
    const one = stage.launch({}, { prefix });
    await one.until('error', () => one.messages.some(({ error }) => error !== undefined));
    assert.match(
      one.messages.find(({ error }) => error)?.error ?? '',
      /CAP_NET_RAW: run it with sudo/,
    );
  });

  it('takes its sensor with it when it is killed', async () => {
    const one = await stage.capture();
    const pid = one.status[0]?.pid ?? 0;
    one.child.kill('SIGKILL');
    assert.ok(await pidGone(pid, 1000));
  });

  it('leaves no sensor behind when it stops', async () => {
    const one = await stage.capture();
    const pid = one.status[0]?.pid ?? 0;
    await one.stop();
    assert.equal(pidAlive(pid), false);
    assert.ok(one.messages.some(({ stopped }) => stopped === true));
    assert.equal(one.status[0]?.state, 'stopped');
  });

  it('refuses a user that does not exist, in one sentence', async () => {
    const one = stage.launch({ user: 'no-such-user' });
    await one.until('error', () => one.messages.some(({ error }) => error !== undefined));
    assert.match(one.messages.find(({ error }) => error)?.error ?? '', /no-such-user.*sensor_user/);
  });
});
