/** The command line of the bench. */
import { parseArgs } from 'node:util';

export interface Options {
  /** The scenarios to run, in the order of the list. */
  readonly names: readonly string[];
  readonly mode: 'full' | 'quick' | 'record' | 'report' | 'help';
}

export const USAGE = `npm run bench -- [NAME…]                     measures, and writes bench/results/NAME.json
npm run bench -- --quick [NAME…]             the short form; fails on a ratio twice the recorded
npm run bench -- --quick --record [NAME…]    records the ratios in bench/results/quick.json
npm run bench -- --report                    writes docs/performance.md again from the results`;

const FLAGS = {
  quick: { type: 'boolean' },
  record: { type: 'boolean' },
  report: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** @throws Error with a sentence for whoever typed it */
export function optionsOf(argv: readonly string[], known: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...argv],
    options: FLAGS,
    allowPositionals: true,
  });
  const unknown = positionals.filter((name) => !known.includes(name));
  if (unknown.length > 0)
    throw new Error(`no scenario "${unknown.join('", "')}"; there are ${known.join(', ')}`);
  const names = known.filter((name) => positionals.length === 0 || positionals.includes(name));
  return { names, mode: modeOf(values, positionals.length) };
}

function modeOf(
  flags: Partial<Record<keyof typeof FLAGS, boolean>>,
  named: number,
): Options['mode'] {
  const { quick = false, record = false, report = false } = flags;
  if (flags.help) return 'help';
  if (report && (quick || record || named > 0)) throw new Error('--report stands alone');
  if (record && !quick) throw new Error('--record goes with --quick');
  if (report) return 'report';
  if (record) return 'record';
  return quick ? 'quick' : 'full';
}
