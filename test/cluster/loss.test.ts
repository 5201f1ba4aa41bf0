import assert from 'node:assert/strict';
import { ClaimIntake } from '../../src/cluster/claim-intake.js';
import { createForwarder } from '../../src/cluster/forwarder.js';
import { eventually } from '../support/eventually.js';
import { MemoryJournal } from '../support/memory-journal.js';
import { recordingLog } from '../support/recording-log.js';
import { FakeShared } from './support/fake-shared.js';

const CLAIM = { claim: 'a-claim', grant: 'b1-1-1' };

describe('a shared Redis that is emptied while hosts are connected', () => {
  it('is told the claims that a host remembers, at the next look and not before it is empty', async () => {
    const shared = new FakeShared();
    const journal = new MemoryJournal();
    await journal.remember([CLAIM]);
    const log = recordingLog();
    const claims = new ClaimIntake({ journal, shared, log, onClaimed: async () => {} });
    const known = async () => (await shared.claimed([CLAIM.claim]))[0];
    shared.redis.heads.set('host', '5-0');
    await claims.look('5-0');
    assert.equal(await known(), false, 'nothing is lost');
    shared.redis.flush();
    await claims.look(undefined);
    assert.equal(await known(), false, 'nothing was forwarded yet');
    await claims.look('5-0');
    assert.equal(await known(), true);
    shared.lose();
    await claims.look('5-0');
    assert.deepEqual(log.entries, []);
  });

  it('is noticed by the forwarder when it goes on', async () => {
    const shared = new FakeShared();
    const journal = new MemoryJournal();
    let losses = 0;
    const forwarder = createForwarder({
      ...{ shared, journal, host: 'host', log: recordingLog() },
      seal: ({ id }) => ['id', id],
      onLoss: () => {
        losses += 1;
      },
    });
    forwarder.start();
    await journal.append({ type: 'HostStopped' });
    await journal.append({ type: 'HostStopped' });
    await forwarder.isIdle();
    assert.equal(losses, 0);
    shared.redis.flush();
    await journal.append({ type: 'HostStopped' });
    await eventually('all is there again', () => shared.redis.journal.length === 3);
    await forwarder.stop();
    assert.equal(losses, 1);
  });
});
