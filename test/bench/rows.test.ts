import assert from 'node:assert/strict';
import { versionIn } from '../../bench/lib/machine.js';
import { asRatio, markdownTable, shown, verdict } from '../../bench/lib/rows.js';
import { rowsOf, TOLD } from '../../bench/lib/rows-all.js';
import { SCENARIOS } from '../../bench/scenarios/all.js';

describe('rows of the bench', () => {
  it('say by how much a goal is met or missed', () => {
    assert.equal(verdict({ value: 1, limit: 2 }), 'met, 50 % of the limit');
    assert.equal(verdict({ value: 2, limit: 2 }), 'met, 100 % of the limit');
    assert.equal(verdict({ value: 3, limit: 2 }), 'missed by 50 %');
    assert.equal(verdict({ value: -1, limit: 2 }), 'met');
    assert.equal(verdict({ value: 0, limit: 0 }), 'met');
    assert.equal(verdict({ value: 3, limit: 0 }), 'missed by 3');
    assert.equal(verdict({ value: 99, limit: 99, atLeast: true }), 'met');
    assert.equal(verdict({ value: 90, limit: 100, atLeast: true }), 'missed by 10 %');
    assert.equal(verdict({ value: Number.NaN, limit: 2 }), 'missed: not measured');
    assert.equal(verdict(undefined), '');
  });

  it('write numbers with as many digits as say something', () => {
    const numbers = [1_048_576, 123.4, 51.26, 2.8, 0.0312, 0, Number.NaN].map(shown);
    assert.deepEqual(numbers, ['1,048,576', '123', '51.3', '2.8', '0.031', '0', '?']);
    assert.deepEqual([asRatio(0.1), asRatio(0.8), asRatio(3)], ['1/10', '0.8', '3']);
  });

  it('keep a table a table, whatever a cell holds', () => {
    assert.equal(
      markdownTable(['a', 'b'], [['x|y', '<z']]),
      '| a | b |\n|---|---|\n| x\\|y | &lt;z |',
    );
  });

  it('are there for every scenario', () => {
    for (const { name } of SCENARIOS) assert.ok(TOLD.includes(name), name);
  });

  it('say so when figures cannot be read', () => {
    for (const name of TOLD) {
      const [row] = rowsOf(name, { other: 1 });
      assert.match(row?.measured ?? '', /^unreadable figures/, name);
    }
  });

  it('take what is missing in figures for not measured', () => {
    const delays = { p50Ms: null, p95Ms: 3, lost: 0 };
    const rows = rowsOf('command', { floor: delays, postern: delays, knockd: delays });
    assert.equal(verdict(rows[0]?.check), 'missed: not measured');
    assert.equal(verdict(rows[1]?.check), 'met');
  });

  it('know a version in what programs say of themselves', () => {
    const texts = [
      'knockd 0.8\nCopyright 2004',
      'nftables v1.0.6 (Lester)',
      'Redis server v=7.0.15 sha=0',
    ];
    assert.deepEqual(texts.map(versionIn), ['0.8', '1.0.6', '7.0.15']);
    assert.equal(versionIn('none here'), 'unknown');
  });
});
