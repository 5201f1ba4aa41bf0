import assert from 'node:assert/strict';
import { createNftables } from '../../../sinks/nftables/nftables.js';
import { systemClock } from '../../../src/clock.js';
import { silentLog } from '../../../src/log/types.js';
import { CLIENT4 } from '../../support/netns.js';
import { doorWith, grantOf, range, SSH, signal, ssh, useStage } from './stage.js';

const AS_NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
const ONLY_NET_ADMIN = ['inh-caps', 'ambient-caps', 'bounding-set'].map(
  (set) => `--${set}=-all,+net_admin`,
);

describe('the nftables sink and what it lacks', () => {
  const stage = useStage();

  it('nft is missing: the error names the package', async () => {
    const nftables = createNftables({
      ...{ table: undefined, guard: true, doors: [doorWith(ssh)] },
      ...{ log: silentLog, clock: systemClock, command: ['/nonexistent/nft'] },
    });
    await assert.rejects(nftables.start(), {
      code: 'POSTERN_E_NFT',
      message: /apt-get install nftables/,
    });
  });

  it('not permitted: the error names the capability', async () => {
    const command = stage.inside(...AS_NOBODY, '--bounding-set=-all', 'nft');
    await assert.rejects(stage.start({ command }), {
      code: 'POSTERN_E_NFT',
      message: /CAP_NET_ADMIN/,
    });
  });

  it('works as an ordinary user with CAP_NET_ADMIN alone', async () => {
    const as = [...AS_NOBODY, ...ONLY_NET_ADMIN];
    const nftables = await stage.start({ command: stage.inside(...as, 'nft') });
    await nftables.reconcile([]);
    const sink = nftables.sink(doorWith(ssh, range), 4);
    const grant = grantOf(60_000);
    assert.equal(await stage.reaches(), false);
    await sink?.open(grant, signal);
    assert.equal(await stage.reaches(), true);
    await stage.nft('flush ruleset');
    await sink?.close?.(grant, signal);
    await stage.shuts();
  });

  it('a full set: an alarm and an error, the others stay open, and a later grant has room', async () => {
    const nftables = await stage.start();
    const sink = nftables.sink(doorWith(ssh), 4);
    const list = (from: number) =>
      Array.from({ length: 16384 }, (_, i) => {
        const n = from * 16384 + i;
        return `10.${n >> 16}.${(n >> 8) & 255}.${n & 255} . tcp . 22`;
      }).join(', ');
    for (let i = 0; i < 4; i += 1) {
      const elements = i < 3 ? list(i) : list(i).replace(/^[^,]*, /, '');
      await stage.nft(`add element inet postern allow4 { ${elements} }`);
    }
    const full = assert.rejects(sink?.open(grantOf(60_000), signal) ?? Promise.resolve(), {
      code: 'POSTERN_E_NFT',
      message: /full/,
    });
    let isRefused = false;
    const refused = full.then(() => {
      isRefused = true;
    });
    // Another one of the same moment, which has room in its own set, and does not wait.
    await nftables.sink(doorWith(range), 4)?.open(grantOf(60_000), signal);
    assert.equal(isRefused, false, 'it did not wait for the first');
    assert.equal(await stage.reaches(), true);
    await refused;
    assert.ok(stage.log.entries.some(({ message }) => message.startsWith('ALARM')));

    const second = sink?.open(grantOf(60_000), signal);
    await stage.nft('delete element inet postern allow4 { 10.0.0.1 . tcp . 22 }');
    await second;
    const wanted = `{ ${CLIENT4} . tcp . ${SSH} }`;
    assert.match(
      await stage.network.must('server', [
        'nft',
        'get',
        'element',
        'inet',
        'postern',
        'allow4',
        wanted,
      ]),
      /192\.0\.2\.2/,
    );
  });
});
