import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PLOTS } from '../../bench/lib/plots.js';
import { filled, PAGE, PLOT_FOLDER, plotPath, report } from '../../bench/lib/report.js';
import { TOLD } from '../../bench/lib/rows-all.js';
import { cloneFolder } from '../support/clone.js';
import { page } from './pages.js';

const AGAIN = 'run: npm run bench -- --report';

describe(PAGE, () => {
  it('is what the results in bench/results say', async () => {
    const { page: wanted } = await report();
    assert.equal(await page(PAGE), wanted, AGAIN);
  });

  it('has the plots that the results make, and no other', async () => {
    const { plots } = await report();
    for (const [name, drawn] of plots) assert.equal(await page(plotPath(name)), drawn, AGAIN);
    const wanted = [...plots.keys()].map((name) => `${name}.svg`).sort();
    const there = await readdir(join(cloneFolder(), PLOT_FOLDER)).catch(() => []);
    assert.deepEqual(there.sort(), wanted, AGAIN);
  });

  it('tells of every scenario and plot', async () => {
    const text = await page(PAGE);
    for (const name of [...TOLD, ...PLOTS.map((plot) => plot.name)])
      assert.ok(text.includes(`<!-- figures: ${name} -->`), name);
  });

  it('is left as it is but for the figures', () => {
    const before = 'a\n<!-- figures: x -->\nold\n<!-- end of figures -->\nb\n';
    const after = filled(before, (name) => `new ${name}`);
    assert.equal(after, 'a\n<!-- figures: x -->\n\nnew x\n\n<!-- end of figures -->\nb\n');
    assert.equal(
      filled(after, (name) => `new ${name}`),
      after,
    );
    assert.throws(() => filled('<!-- figures: x -->\n', String), /"x" have no end/);
  });
});
