import assert from 'node:assert/strict';
import { createAccepted } from '../../src/jobs/accepted.js';

const DAY_MS = 86_400_000;

describe('what a process remembers of grants it accepted', () => {
  it('lasts until a day after their time is over', () => {
    const accepted = createAccepted();
    accepted.add('g', 1000);
    accepted.purge(1000 + DAY_MS);
    assert.ok(accepted.has('g'));
    accepted.purge(1001 + DAY_MS);
    assert.equal(accepted.has('g'), false);
  });

  it('is a doubt since the first time, until one is accepted', () => {
    const accepted = createAccepted();
    assert.equal(accepted.doubtedSince('g'), undefined);
    accepted.doubt('g', 1000);
    accepted.doubt('g', 2000);
    accepted.doubt('h', 2000);
    assert.equal(accepted.doubtedSince('g'), 1000);
    assert.equal(accepted.has('g'), false);
    accepted.add('g', 5000);
    accepted.doubt('g', 3000);
    assert.equal(accepted.doubtedSince('g'), undefined);
    accepted.purge(2001 + DAY_MS);
    assert.equal(accepted.doubtedSince('h'), undefined);
    assert.ok(accepted.has('g'));
  });
});
