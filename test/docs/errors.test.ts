import assert from 'node:assert/strict';
import { FINDINGS } from '../../config/diagnostics.js';
import { ERRORS } from '../../src/errors.js';
import { codes, page, rows } from './pages.js';

const meanings: ReadonlyMap<string, string> = new Map(Object.entries({ ...ERRORS, ...FINDINGS }));

describe('docs/errors.md', () => {
  it('has every code of errors and findings once, and no other', async () => {
    const listed = rows(await page('docs/errors.md')).flatMap(([code = '']) => codes(code));
    assert.deepEqual([...listed].sort(), [...meanings.keys()].sort());
  });

  it('gives each code the meaning that the program does, and says what to do', async () => {
    for (const [code = '', meaning, advice = ''] of rows(await page('docs/errors.md'))) {
      assert.equal(meaning, meanings.get(codes(code)[0] ?? ''), code);
      assert.ok(advice.length > 10, `${code} has no advice`);
    }
  });

  it('a code of both tables means the same in both', () => {
    const findings: Readonly<Record<string, string>> = FINDINGS;
    for (const [code, meaning] of Object.entries(ERRORS)) {
      assert.equal(findings[code] ?? meaning, meaning, code);
    }
  });
});
