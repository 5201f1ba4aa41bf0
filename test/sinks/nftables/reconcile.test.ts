import assert from 'node:assert/strict';
import { CLIENT4 } from '../../support/netns.js';
import { doorWith, grantOf, OTHER, range, SSH, signal, ssh, useStage } from './stage.js';

const FOREIGN = `
  add table inet filter
  add set inet filter admins { type ipv4_addr; flags timeout; elements = { 203.0.113.9 timeout 1h } }
  add chain inet filter input { type filter hook input priority 0; policy accept; }
  add rule inet filter input ip saddr @admins counter accept
  add table ip postern
  add set ip postern allow4 { type ipv4_addr; }`;

async function stale(count: number): Promise<string> {
  const list = Array.from({ length: count }, (_, i) => `10.9.0.${i} . tcp . ${SSH} timeout 1h`);
  return `add element inet postern allow4 { ${list.join(', ')} }`;
}

describe('the nftables sink after a crash or a reboot (T15)', () => {
  const stage = useStage();

  it('100 stale elements are gone within 2 s of start, live ones have their time, foreign tables are as they were', async () => {
    const before = await stage.start();
    const live = grantOf(60_000);
    await before.sink(doorWith(ssh, range), 4)?.open(live, signal);
    await before.stop();
    await stage.nft(FOREIGN);
    await stage.nft(await stale(100));
    const foreign = async () => [
      await stage.list('table', 'inet', 'filter'),
      await stage.list('table', 'ip', 'postern'),
    ];
    const was = await foreign();

    const startedMs = performance.now();
    const after = await stage.start();
    const door = doorWith(ssh, range);
    await after.reconcile([{ id: live.id, door, source: live.source, leftMs: 5000 }]);
    const tookMs = performance.now() - startedMs;

    assert.ok(tookMs < 2000, `${Math.round(tookMs)} ms`);
    const listing = await stage.list('table', 'inet', 'postern');
    assert.doesNotMatch(listing, /10\.9\./);
    assert.equal((listing.match(/192\.0\.2\.2 \. 6 \. [\d-]+ timeout [56]s/g) ?? []).length, 2);
    assert.deepEqual(await foreign(), was);
    assert.equal(await stage.reaches(), true);
    await after.sink(door, 4)?.close?.(live, signal);
    assert.equal(await stage.reaches(), false, 'the grant of the run before closes');
  });

  it('a grant that is unknown here but open in the kernel closes', async () => {
    const before = await stage.start();
    const live = grantOf(60_000);
    await before.sink(doorWith(ssh, range), 4)?.open(live, signal);
    await before.stop();
    const after = await stage.start();
    assert.equal(await stage.reaches(), true, 'a start alone shuts nobody out');
    await after.sink(doorWith(ssh, range), 4)?.close?.(live, signal);
    assert.equal(await stage.reaches(), false);
  });

  it('on reload, grants that were opened since the start stay, whatever the list says', async () => {
    const nftables = await stage.start();
    await nftables.sink(doorWith(ssh), 4)?.open(grantOf(60_000), signal);
    await nftables.reconcile([]);
    assert.equal(await stage.reaches(), true);
  });

  it('a reload changes which ports are guarded, and takes the guard away', async () => {
    const nftables = await stage.start();
    await nftables.configure({ guard: true, doors: [doorWith(ssh)] });
    assert.deepEqual([await stage.reaches(), await stage.reaches(OTHER)], [false, true]);
    await nftables.configure({ guard: false, doors: [doorWith(ssh)] });
    assert.equal(await stage.reaches(), true);
    await nftables.configure({ guard: true, doors: [doorWith(ssh, range)] });
    assert.equal(await stage.reaches(), false);
  });

  it('a table of another version, with sets of another kind, is made anew', async () => {
    await stage.nft('add table inet postern; add set inet postern allow4 { type ipv4_addr; }');
    const nftables = await stage.start();
    await nftables.sink(doorWith(ssh), 4)?.open(grantOf(60_000), signal);
    assert.equal(await stage.reaches(), true);
  });

  it('nothing is touched while no door allows anything', async () => {
    const nftables = await stage.start({ doors: [doorWith()] });
    await nftables.reconcile([]);
    assert.deepEqual([nftables.pids, await stage.list('ruleset')], [[], '']);
    await nftables.configure({ guard: true, doors: [doorWith(ssh)] });
    assert.equal(await stage.reaches(), false, 'a reload brings the first such door');
  });
});

describe('nft_table: sets in a table of the user’s', () => {
  const stage = useStage();
  const table = { family: 'inet', name: 'filter' } as const;
  const OWN = `
    add table inet filter
    add set inet filter allow4 { type ipv4_addr . inet_proto . inet_service; flags timeout; size 65535; }
    add chain inet filter input { type filter hook input priority 0; policy accept; }
    add rule inet filter input ct state established,related accept
    add rule inet filter input ip saddr . meta l4proto . th dport @allow4 accept
    add rule inet filter input tcp dport ${SSH} drop`;

  it('opens and closes there, in sets that are declared or missing, and makes no table of its own', async () => {
    await stage.nft(OWN);
    const was = await stage.list('chain', 'inet', 'filter', 'input');
    const nftables = await stage.start({ table, guard: false });
    const grant = grantOf(60_000);
    const sink = nftables.sink(doorWith(ssh, range), 4);
    await sink?.open(grant, signal);
    assert.equal(await stage.reaches(), true);
    assert.match(await stage.list('set', 'inet', 'filter', 'allow4r'), /2200-2250/);
    await sink?.close?.(grant, signal);
    assert.equal(await stage.reaches(), false);
    assert.equal(await stage.list('chain', 'inet', 'filter', 'input'), was);
    assert.doesNotMatch(await stage.list('tables'), /postern/);
  });

  it('removes stale elements one by one; what has no timeout is the user’s and stays', async () => {
    await stage.nft(OWN);
    await stage.nft(`add element inet filter allow4 {
      198.51.100.1 . tcp . 22 timeout 1h, 198.51.100.2 . udp . 53 timeout 1h, 203.0.113.9 . tcp . 22 }`);
    const nftables = await stage.start({ table, guard: false });
    await stage.nft(
      'add element inet filter allow4r { 198.51.100.3 . tcp . 22-30 timeout 1h, 198.51.100.3 . tcp . 40 timeout 1h }',
    );
    const id = 'earlier';
    await nftables.reconcile([{ id, door: doorWith(ssh), source: CLIENT4, leftMs: 60_000 }]);
    const listing = await stage.list('ruleset');
    assert.doesNotMatch(listing, /198\.51/);
    assert.match(listing, /203\.0\.113\.9 \. 6 \. 22/);
    assert.equal(await stage.reaches(), true);
  });

  it('the user’s firewall is loaded anew: the live grants are back within 1 s', async () => {
    await stage.nft(OWN);
    const nftables = await stage.start({ table, guard: false });
    await nftables.sink(doorWith(ssh), 4)?.open(grantOf(60_000), signal);
    await stage.nft(`flush ruleset\n${OWN}`);
    const sinceMs = performance.now();
    await stage.opens();
    assert.ok(performance.now() - sinceMs < 1000, `${performance.now() - sinceMs} ms`);
  });

  it('a set that is declared in another way is an error that says how', async () => {
    await stage.nft('add table inet filter; add set inet filter allow4 { type ipv4_addr; }');
    await assert.rejects(stage.start({ table, guard: false }), {
      code: 'POSTERN_E_NFT',
      message: /table inet filter: declare them as set allow4 { type ipv4_addr \. inet_proto/,
    });
    assert.match(await stage.list('set', 'inet', 'filter', 'allow4'), /type ipv4_addr\n/);
  });
});
