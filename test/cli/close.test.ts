import assert from 'node:assert/strict';
import { join } from 'node:path';
import { recordTo, section } from '../support/conf.js';
import { eventually } from '../support/eventually.js';
import { useLab } from '../support/lab.js';
import { linesOf } from '../support/lines.js';
import { CLIENT4, SERVER4 } from '../support/netns.js';

const SEQUENCE = ['7000', '9000', '8000'];

describe('postern close on a host alone', () => {
  const lab = useLab();

  it('runs the stop command at once, and says when there is nothing to close', async () => {
    const file = join(await lab.folder(), 'log');
    const door = { sequence: SEQUENCE.join(','), tcpflags: 'syn', cmd_timeout: 60 };
    const postern = await lab.postern(section('door', { ...door, ...recordTo(file) }));
    const close = (...words: readonly string[]) => postern.ask('close', ...words);
    const nothing = await close('door', CLIENT4);
    assert.deepEqual(
      [nothing.code, nothing.stdout, nothing.stderr],
      [1, `nothing is open at door [door] for ${CLIENT4}\n`, ''],
    );
    await lab.knock(SERVER4, SEQUENCE);
    await eventually('open', async () => (await linesOf(file)).length === 1);
    assert.equal((await close('door', '192.0.2.99')).code, 1, 'another source');
    assert.deepEqual((await postern.status()).grants.length, 1);
    const { code, stdout } = await close('door', CLIENT4);
    assert.equal(code, 0);
    assert.match(stdout, /^\S+: closed\n$/);
    assert.deepEqual(await linesOf(file), [`start ${CLIENT4}`, `stop ${CLIENT4}`]);
    assert.deepEqual((await postern.status()).grants, []);
    const causes = (await postern.events()).flatMap(({ cause }) => cause ?? []);
    assert.deepEqual(causes, ['revoked']);
    const elsewhere = await close('door', CLIENT4, '--host', 'b2');
    assert.equal(elsewhere.code, 1);
    assert.match(elsewhere.stderr, /is in no cluster/);
  }).timeout(20_000);
});
