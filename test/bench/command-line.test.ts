import assert from 'node:assert/strict';
import { optionsOf } from '../../bench/lib/options.js';

describe('the command line of the bench', () => {
  const known = ['one', 'two', 'three'];
  const of = (...argv: string[]) => optionsOf(argv, known);

  it('runs everything, or what is named in the order of the list', () => {
    assert.deepEqual(of(), { names: known, mode: 'full' });
    assert.deepEqual(of('three', 'one').names, ['one', 'three']);
  });

  it('knows its forms', () => {
    assert.deepEqual(of('--quick', 'two'), { names: ['two'], mode: 'quick' });
    assert.equal(of('--quick', '--record').mode, 'record');
    assert.equal(of('--report').mode, 'report');
    assert.equal(of('--help').mode, 'help');
  });

  it('refuses what makes no sense', () => {
    assert.throws(() => of('four'), /no scenario "four"; there are one, two, three/);
    assert.throws(() => of('--record'), /--record goes with --quick/);
    assert.throws(() => of('--report', 'one'), /--report stands alone/);
    assert.throws(() => of('--fast'), /--fast/);
  });
});
