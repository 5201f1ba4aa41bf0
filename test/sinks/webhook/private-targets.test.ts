import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireRoot } from '../../support/root.js';
import { mustRun } from '../../support/run.js';
import type { Anywhere } from './anywhere.js';
import { SECRET } from './bench.js';
import { OWN, PRIVATE_URLS, PUBLIC } from './corpus.js';

/** A network without a wire, gone with its process, in which all addresses are at home. */
const NETWORK = [
  'ip link set lo up',
  'ip route add local 0.0.0.0/0 dev lo',
  'ip -6 route add local ::/0 dev lo',
  `ip address add ${OWN}/32 dev lo`,
  "nft 'add table t; add chain t c { type filter hook input priority 0; }'",
  "nft 'add rule t c tcp dport 9 drop; add rule t c ip daddr 9.9.9.7 drop'",
  "nft 'add rule t c ip daddr 9.9.9.6 quota until 80 bytes drop'",
  'exec "$@"',
].join(' && ');

describe('with private_targets = no (T16)', function () {
  this.timeout(60_000);
  let dir = '';
  let seen: Anywhere;
  before(async function () {
    requireRoot(this);
    dir = await mkdtemp(join(tmpdir(), 'postern-targets-'));
    await writeFile(join(dir, 'secret'), SECRET, { mode: 0o600 });
    const child = join(import.meta.dirname, 'anywhere.js');
    const argv = ['unshare', '--net', 'sh', '-c', NETWORK, 'sh', process.execPath, child, dir];
    // The child prints what it is of; nobody else writes to its output.
    seen = JSON.parse(await mustRun(argv, { timeoutMs: 50_000 })) as Anywhere;
  });
  after(() => dir !== '' && rm(dir, { recursive: true }));

  it(`none of ${PRIVATE_URLS.length} addresses that are not public is connected to`, () => {
    assert.ok(PRIVATE_URLS.length >= 100);
    for (const { url } of PRIVATE_URLS)
      assert.match(
        seen.refusals[url] ?? '',
        /is not public \(.+\), and private_targets = no: nothing was sent$/,
        url,
      );
    assert.equal(seen.connectionsWhenRefused, 0);
  });

  it('the same addresses are connected to when they may be', () => {
    // The rest (multicast and the like) takes no connections from anybody.
    assert.ok(seen.reachable.length >= 85, `${seen.reachable.length}`);
  });

  it('an address that is public is connected to', () => {
    assert.equal(seen.publicly, 'delivered');
  });

  it('what was checked is what is connected to, whatever the name server says next', () => {
    const { outcomes, connectedTo } = seen.rebinding;
    assert.equal(outcomes[0], 'delivered');
    assert.match(
      outcomes[1] ?? '',
      /^rebinding\.test has the address 127\.0\.0\.1, which is not public/,
    );
    assert.deepEqual(connectedTo, [`::ffff:${PUBLIC}`]);
  });

  it('an address that does not answer is given up, cancelled, or left for the next one', () => {
    const { overdue, cancelledMs, nextAddress, farAddress } = seen.unanswered;
    assert.match(overdue, /did not answer in full within 300 ms$/);
    assert.ok(cancelledMs < 1000, `${cancelledMs} ms`);
    assert.equal(nextAddress, 'delivered');
    // Its connection takes a second, and Node's own patience would have ended after 250 ms.
    assert.equal(farAddress, 'delivered');
  });

  it('a redirect to the inside is not followed', () => {
    assert.match(seen.redirect.outcome, /answered 307 .*: postern follows no redirect/);
    assert.equal(seen.redirect.connections, 0);
  });
});
