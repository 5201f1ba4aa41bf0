import assert from 'node:assert/strict';
import { systemClock } from '../../../src/clock.js';
import { eventually } from '../../support/eventually.js';
import { CLIENT6, SERVER4, SERVER6 } from '../../support/netns.js';
import { doorWith, grantOf, OTHER, range, SSH, signal, ssh, useStage } from './stage.js';

const DAY_MS = 86_400_000;

describe('the nftables sink opens and closes', () => {
  const stage = useStage();

  it('the guard closes the port, a grant opens it for its source, its end shuts it', async () => {
    const sink = (await stage.start()).sink(doorWith(ssh), 4);
    assert.equal(await stage.reaches(), false, 'closed from the start');
    const grant = grantOf(60_000);
    await sink?.open(grant, signal);
    assert.equal(await stage.reaches(), true, 'open');
    assert.equal(await stage.reaches(OTHER), false, 'this port alone');
    await sink?.close?.(grant, signal);
    assert.equal(await stage.reaches(), false, 'closed');
  });

  it('IPv6 as well as IPv4, each for its own', async () => {
    const nftables = await stage.start();
    const grant = grantOf(60_000, CLIENT6);
    await nftables.sink(doorWith(ssh), 6)?.open(grant, signal);
    // A link that has just come up carries IPv6 only once the kernel has noticed, up to a second later.
    await eventually('reached over IPv6', () => stage.reaches(SSH, SERVER6));
    assert.equal(await stage.reaches(SSH, SERVER4), false);
    await nftables.sink(doorWith(ssh), 6)?.close?.(grant, signal);
    assert.equal(await stage.reaches(SSH, SERVER6), false);
  });

  it('a range of ports, also where ranges of two doors overlap', async () => {
    const nftables = await stage.start();
    const [one, two] = [grantOf(60_000), grantOf(60_000)];
    const overlapping = nftables.sink(doorWith({ protocol: 'tcp', from: 2210, to: 2400 }), 4);
    await nftables.sink(doorWith(range), 4)?.open(one, signal);
    assert.equal(await stage.reaches(), true);
    await overlapping?.open(two, signal);
    assert.equal(await stage.reaches(OTHER), true);
    await nftables.sink(doorWith(range), 4)?.close?.(one, signal);
    assert.equal(await stage.reaches(), true, 'the other range still covers it');
    await overlapping?.close?.(two, signal);
    assert.equal(await stage.reaches(), false);
    assert.equal(await stage.reaches(OTHER), false);
  });

  it('the kernel closes by itself a second after the deadline, also when postern is gone', async () => {
    const nftables = await stage.start();
    const openedMs = performance.now();
    await nftables.sink(doorWith(ssh, range), 4)?.open(grantOf(500), signal);
    await nftables.stop();
    assert.equal(await stage.reaches(), true);
    await stage.shuts();
    const tookMs = performance.now() - openedMs;
    assert.ok(tookMs > 1400 && tookMs < 3500, `shut after ${Math.round(tookMs)} ms`);
  });

  it('a grant that is never closed has no timeout', async () => {
    const nftables = await stage.start();
    await nftables.sink(doorWith(ssh), 4)?.open(grantOf(null), signal);
    assert.match(
      await stage.list('set', 'inet', 'postern', 'allow4'),
      /{ 192\.0\.2\.2 \. 6 \. 2222 }/,
    );
    assert.equal(await stage.reaches(), true);
  });

  it('a re-knock extends it, and a new deadline can also be an earlier one', async () => {
    const sink = (await stage.start()).sink(doorWith(ssh, range), 4);
    const grant = grantOf(200);
    await sink?.open(grant, signal);
    await sink?.extend?.({ ...grant, leftMs: DAY_MS }, signal);
    for (const set of ['allow4', 'allow4r'])
      assert.match(await stage.list('set', 'inet', 'postern', set), /timeout 8640\ds/, set);
    await sink?.extend?.({ ...grant, leftMs: 100 }, signal);
    await stage.shuts();
  });

  it('a re-knock with the same time begins that time anew', async () => {
    // The very same timeout to the millisecond: the kernel takes an equal one for no change.
    const clock = { ...systemClock, now: () => 0 };
    const sink = (await stage.start({ clock })).sink(doorWith(ssh, range), 4);
    const expires = async () => {
      const text = await stage.network.must('server', [
        'nft',
        '-n',
        'list',
        'table',
        'inet',
        'postern',
      ]);
      return [...text.matchAll(/expires (\d+)s/g)].map(([, seconds]) => Number(seconds));
    };
    const grant = grantOf(9500);
    await sink?.open(grant, signal);
    await eventually('time goes by', async () => (await expires()).every((left) => left < 10));
    await sink?.extend?.(grant, signal);
    assert.deepEqual(await expires(), [10, 10]);
  });

  it('doors that share a port share its element: the latest deadline wins, a close shuts nobody else', async () => {
    const nftables = await stage.start();
    const [short, long] = [grantOf(300), grantOf(DAY_MS)];
    const [first, second] = [nftables.sink(doorWith(ssh), 4), nftables.sink(doorWith(ssh), 4)];
    await second?.open(long, signal);
    await first?.open(short, signal);
    assert.match(await stage.list('set', 'inet', 'postern', 'allow4'), /timeout 8640\ds/);
    await first?.close?.(short, signal);
    assert.equal(await stage.reaches(), true);
    const again = grantOf(300);
    await first?.open(again, signal);
    await second?.close?.(long, signal);
    assert.equal(await stage.reaches(), true, 'the shorter one holds it now');
    await stage.shuts();
  });

  it('opening twice and closing twice by the same id is once, and closing the unknown is done', async () => {
    const sink = (await stage.start()).sink(doorWith(ssh, range), 4);
    const grant = grantOf(60_000);
    await sink?.open(grant, signal);
    await sink?.open(grant, signal);
    await sink?.close?.(grant, signal);
    assert.equal(await stage.reaches(), false);
    await sink?.close?.(grant, signal);
    await sink?.close?.(grantOf(60_000), signal);
  });

  it('an established connection lives on after the close, a new one is refused', async () => {
    const sink = (await stage.start()).sink(doorWith(ssh), 4);
    const grant = grantOf(60_000);
    await sink?.open(grant, signal);
    const script = `exec 3<>/dev/tcp/${SERVER4}/${SSH}; echo up; read -r; echo again >&3; read -r answer <&3; echo "$answer"`;
    const child = stage.network.spawn('client', ['bash', '-c', script], { stdio: 'pipe' });
    let said = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    await eventually('it is connected', async () => said.includes('up'));
    await sink?.close?.(grant, signal);
    assert.equal(await stage.reaches(), false);
    child.stdin?.write('\n');
    await eventually('it is answered', async () => said.includes('again'), { withinMs: 5000 });
  });

  it('a door that allows nothing, or nothing of that family, has no sink', () => {
    const nftables = stage.make({ table: { family: 'ip', name: 'filter' }, guard: false });
    assert.equal(nftables.sink(doorWith(), 4), undefined);
    assert.equal(nftables.sink(doorWith(ssh), 6), undefined);
    assert.equal(nftables.sink(doorWith(ssh), 4)?.kernelTimed, true);
  });

  it('500 grants that come at once are all open, and all shut', async () => {
    const sink = (await stage.start()).sink(doorWith(ssh, range), 4);
    const grants = Array.from({ length: 500 }, (_, i) =>
      grantOf(60_000, `10.1.${i >> 8}.${i & 255}`),
    );
    await Promise.all(grants.map((grant) => sink?.open(grant, signal)));
    const open = (await stage.list('table', 'inet', 'postern')).match(/10\.1\.\d+\.\d+/g);
    assert.equal(open?.length, 1000);
    await Promise.all(grants.map((grant) => sink?.close?.(grant, signal)));
    assert.doesNotMatch(await stage.list('table', 'inet', 'postern'), /10\.1\./);
  });
});
