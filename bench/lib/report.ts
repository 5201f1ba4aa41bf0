/** docs/performance.md and its plots, made from bench/results without measuring anything. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cloneFolder } from '../../test/support/clone.js';
import { PLOTS, type Plot } from './plots.js';
import { type Result, readResult, resultsFolder } from './results.js';
import { cellsOf, HEADER, markdownTable } from './rows.js';
import { rowsOf, TOLD } from './rows-all.js';

export const PAGE = 'docs/performance.md';
export const PLOT_FOLDER = 'docs/performance';

type Results = ReadonlyMap<string, Result>;

export interface Report {
  readonly page: string;
  /** By the name of the plot. */
  readonly plots: ReadonlyMap<string, string>;
}

/** Writes what changed since; gives the paths, from the folder of the clone. */
export async function writeReport(): Promise<readonly string[]> {
  const folder = cloneFolder();
  const { page, plots } = await report();
  await mkdir(join(folder, PLOT_FOLDER), { recursive: true });
  await writeFile(join(folder, PAGE), page);
  for (const { name } of PLOTS) {
    const drawn = plots.get(name);
    const file = join(folder, plotPath(name));
    if (drawn === undefined) await rm(file, { force: true });
    else await writeFile(file, drawn);
  }
  return [PAGE, ...[...plots.keys()].map(plotPath)];
}

/** What page and plots should be, by the results that are there. */
export async function report(): Promise<Report> {
  const results = await allResults();
  const plots = new Map<string, string>();
  for (const plot of PLOTS) {
    const drawn = drawnOf(plot, results);
    if (drawn !== undefined) plots.set(plot.name, drawn);
  }
  const before = await readFile(join(cloneFolder(), PAGE), 'utf8');
  return { page: filled(before, (block) => blockOf(block, results, plots)), plots };
}

export function plotPath(name: string): string {
  return `${PLOT_FOLDER}/${name}.svg`;
}

/**
 * The text between `<!-- figures: NAME -->` and `<!-- end of figures -->`, replaced everywhere.
 * @throws Error for a beginning without an end
 */
export function filled(page: string, contentOf: (name: string) => string): string {
  const [head = '', ...parts] = page.split('<!-- figures: ');
  const rest = parts.map((part) => {
    const [name = ''] = part.split(' -->', 1);
    const end = part.indexOf('<!-- end of figures -->');
    if (end < 0) throw new Error(`the figures "${name}" have no end`);
    return `<!-- figures: ${name} -->\n\n${contentOf(name)}\n\n${part.slice(end)}`;
  });
  return head + rest.join('');
}

async function allResults(): Promise<Results> {
  const results = new Map<string, Result>();
  for (const name of TOLD) {
    const result = await readResult(name, resultsFolder());
    if (result !== undefined) results.set(name, result);
  }
  return results;
}

function drawnOf(plot: Plot, results: Results): string | undefined {
  const result = results.get(plot.scenario);
  return result === undefined ? undefined : plot.draw(result.figures);
}

function blockOf(name: string, results: Results, plots: Report['plots']): string {
  if (name === 'runs') return runsTable(results);
  const plot = PLOTS.find((each) => each.name === name);
  if (plot !== undefined) {
    const isThere = plots.has(name);
    return isThere ? `![${plot.alt}](performance/${name}.svg)` : notMeasured(plot.scenario);
  }
  if (!TOLD.includes(name)) throw new Error(`no scenario "${name}"`);
  const result = results.get(name);
  if (result === undefined) return notMeasured(name);
  return markdownTable(HEADER, rowsOf(name, result.figures).map(cellsOf));
}

function notMeasured(name: string): string {
  return `Not measured yet: \`npm run bench -- ${name}\`.`;
}

/** When and where each was measured: they need not be of one day. */
function runsTable(results: Results): string {
  const header = ['scenario', 'measured', 'took', 'load before, after', 'machine', 'versions'];
  const rows = [...results.values()].map((result) => {
    const { processor, cores, memoryGiB, kernel, versions } = result.machine;
    const { before, after } = result.loadAverages;
    return [
      `[${result.scenario}](../bench/results/${result.scenario}.json)`,
      result.at.replace('T', ' ').slice(0, 16),
      `${result.tookSeconds} s`,
      `${before[0] ?? '?'}, ${after[0] ?? '?'}`,
      `${processor}, ${cores} cores, ${memoryGiB} GiB, Linux ${kernel}`,
      Object.entries(versions)
        .map((each) => each.join(' '))
        .join(', '),
    ];
  });
  return rows.length === 0 ? 'Nothing is measured yet.' : markdownTable(header, rows);
}
