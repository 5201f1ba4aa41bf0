import assert from 'node:assert/strict';
import type { Nftables } from '../../../sinks/nftables/nftables.js';
import { eventually } from '../../support/eventually.js';
import { commandLine } from '../../support/process-tree.js';
import { pidAlive } from '../../support/processes.js';
import { doorWith, grantOf, OTHER, range, type Stage, signal, ssh, useStage } from './stage.js';

/** Milliseconds from a loss to the grant's element being back. */
async function mendedMs(stage: Stage, lose: () => Promise<unknown>): Promise<number> {
  await lose();
  const sinceMs = performance.now();
  await eventually(
    'the elements are back',
    async () => {
      const { stdout } = await stage.network.exec('server', ['nft', 'list', 'ruleset']);
      return (stdout.match(/192\.0\.2\.2 \. tcp/g) ?? []).length === 2 && /drop/.test(stdout);
    },
    { withinMs: 10_000, everyMs: 10 },
  );
  return performance.now() - sinceMs;
}

function pidOf(nftables: Nftables, words: RegExp): number {
  return nftables.pids.find((pid) => words.test(commandLine(pid))) ?? 0;
}

const SHELL = /nft -i$/;
const MONITOR = /nft monitor/;

describe('what watches over the nftables sink', () => {
  const stage = useStage();

  const losses = {
    'flush ruleset, as at the head of Debian’s nftables.conf': 'flush ruleset',
    'delete table inet postern': 'delete table inet postern',
    'a table that is removed and made anew in one step':
      'delete table inet postern; add table inet postern',
    'the guard’s rules alone': 'flush chain inet postern guard',
    'a set alone, which no rule refers to any more':
      'flush chain inet postern guard; delete set inet postern allow4r',
  };
  for (const [what, text] of Object.entries(losses)) {
    it(`puts guard and live grants back within 1 s: ${what}`, async () => {
      const nftables = await stage.start();
      await nftables.sink(doorWith(ssh, range), 4)?.open(grantOf(60_000), signal);
      const tookMs = await mendedMs(stage, () => stage.nft(text));
      assert.ok(tookMs < 1000, `${Math.round(tookMs)} ms`);
      assert.equal(await stage.reaches(), true);
      assert.equal(await stage.reaches(OTHER), false, 'the guard is back');
      assert.ok(stage.log.entries.some(({ message }) => message.includes('put back')));
    });
  }

  it('puts elements back with the time that is left, and no grant that was closed', async () => {
    const nftables = await stage.start();
    const sink = nftables.sink(doorWith(ssh, range), 4);
    const closed = grantOf(60_000, '198.51.100.7');
    await sink?.open(closed, signal);
    await sink?.open(grantOf(1500), signal);
    await sink?.close?.(closed, signal);
    await mendedMs(stage, () => stage.nft('flush ruleset'));
    const listing = await stage.list('table', 'inet', 'postern');
    assert.doesNotMatch(listing, /198\.51/);
    assert.match(listing, /timeout [12]s/);
    await stage.shuts();
  });

  it('its own changes are not mistaken for somebody else’s', async () => {
    const nftables = await stage.start();
    for (let i = 0; i < 5; i += 1)
      await nftables.configure({ guard: true, doors: [doorWith(ssh)] });
    await nftables.reconcile([]);
    await stage.nft('add table inet other; delete table inet other');
    await mended(stage, nftables);
    assert.equal(stage.log.entries.filter(({ message }) => message.includes('put back')).length, 1);
  });

  it('a killed nft -i is replaced, and what comes meanwhile is done all the same', async () => {
    const nftables = await stage.start();
    const sink = nftables.sink(doorWith(ssh), 4);
    const grant = grantOf(60_000);
    await eventually('it runs', () => pidOf(nftables, SHELL) > 0);
    const before = pidOf(nftables, SHELL);
    process.kill(before, 'SIGKILL');
    await sink?.open(grant, signal);
    assert.equal(await stage.reaches(), true);
    await eventually('another runs', () => ![0, before].includes(pidOf(nftables, SHELL)));
    await sink?.close?.(grant, signal);
    assert.equal(await stage.reaches(), false);
  });

  it('an nft -i that does not answer is replaced, and no change is lost', async () => {
    const nftables = await stage.start();
    const sink = nftables.sink(doorWith(ssh), 4);
    await eventually('it runs', () => pidOf(nftables, SHELL) > 0);
    const before = pidOf(nftables, SHELL);
    process.kill(before, 'SIGSTOP');
    await sink?.open(grantOf(60_000), signal);
    assert.equal(await stage.reaches(), true);
    await eventually('another runs', () => ![0, before].includes(pidOf(nftables, SHELL)));
    assert.equal(pidAlive(before), false);
  });

  it('a killed nft monitor is replaced, and what it missed is mended, also where it looks the same', async () => {
    const nftables = await stage.start();
    await nftables.sink(doorWith(ssh, range), 4)?.open(grantOf(60_000), signal);
    await eventually('it runs', () => pidOf(nftables, MONITOR) > 0);
    process.kill(pidOf(nftables, MONITOR), 'SIGKILL');
    const was = await stage.list('table', 'inet', 'postern');
    const alike = was.replace(/^\t\telements.*\n(\t\t\t.*\n)*/gm, '');
    const tookMs = await mendedMs(stage, () => stage.nft(`flush ruleset\n${alike}`));
    assert.ok(tookMs < 2000, `${Math.round(tookMs)} ms`);
  });

  it('the monitor lives through ranges that come and go (nft 1.0.6 crashes on their words)', async () => {
    const nftables = await stage.start();
    await eventually('it runs', () => pidOf(nftables, MONITOR) > 0);
    const monitor = pidOf(nftables, MONITOR);
    const sink = nftables.sink(doorWith(range), 4);
    for (let i = 0; i < 3; i += 1) {
      const grant = grantOf(60_000);
      await sink?.open(grant, signal);
      await sink?.close?.(grant, signal);
    }
    await mended(stage, nftables);
    assert.equal(pidOf(nftables, MONITOR), monitor);
  });

  it('stop does not wait for an nft that hangs', async () => {
    const nftables = await stage.start();
    await eventually('it runs', () => pidOf(nftables, SHELL) > 0);
    const shell = pidOf(nftables, SHELL);
    process.kill(shell, 'SIGSTOP');
    const opening = nftables.sink(doorWith(ssh), 4)?.open(grantOf(60_000), signal);
    const sinceMs = performance.now();
    await Promise.all([nftables.stop(), opening?.catch(() => {})]);
    assert.ok(performance.now() - sinceMs < 1900);
    assert.equal(pidAlive(shell), false);
  });

  it('stop ends its processes, and sets, elements and guard stay', async () => {
    const nftables = await stage.start();
    await nftables.sink(doorWith(ssh), 4)?.open(grantOf(60_000), signal);
    await eventually('both run', () => nftables.pids.length === 2);
    const pids = nftables.pids;
    await nftables.stop();
    assert.deepEqual(pids.filter(pidAlive), []);
    assert.equal(await stage.reaches(), true);
    assert.equal(await stage.reaches(OTHER), false);
  });
});

/** Waits until a loss, made here, is mended: everything that was noticed before has been too. */
async function mended(stage: Stage, nftables: Nftables): Promise<void> {
  await nftables.sink(doorWith(ssh, range), 4)?.open(grantOf(60_000), signal);
  await mendedMs(stage, () => stage.nft('flush ruleset'));
  await eventually('it is said', () =>
    stage.log.entries.some(({ message }) => message.includes('put back')),
  );
}
