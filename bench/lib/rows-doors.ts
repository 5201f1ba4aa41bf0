/** Rows of doors: opened by scans, many of them, many grants of one. */
import { z } from 'zod';
import { type Row, shown } from './rows.js';
import { count, ms, number, program, row, word } from './rows-parse.js';

const leg = z.object({
  ...{ name: word, program, scans: number, opened: number, scansThatOpened: number },
  ...{ honest: number, honestOpened: number, mostLostShare: number },
});
const scans = z.object({ summary: z.array(leg) });
type Leg = z.infer<typeof leg>;

/** All shapes of sequences together: which of them a scan opened is in the results file. */
export function scansRows(figures: unknown): readonly Row[] {
  const { summary } = scans.parse(figures);
  return summary.flatMap((each) =>
    each.program === 'postern' ? legRows(each) : [besideRow(each)],
  );
}

function legRows({ name, scans, opened, honest, honestOpened }: Leg): readonly Row[] {
  return [
    row(`doors opened by ${count(scans)} scans, ${name}`, 'none', count(opened), '', {
      ...{ value: opened, limit: 0 },
    }),
    row('honest knocks after them that opened', 'all', `${honestOpened} of ${honest}`, '', {
      ...{ value: honestOpened, limit: honest, atLeast: true },
    }),
  ];
}

function besideRow({ scans, opened, scansThatOpened }: Leg): Row {
  const theirs = `${count(opened)}, by ${count(scansThatOpened)} of the scans`;
  return row(`doors opened by ${count(scans)} scans`, '', '', theirs);
}

const doorsShape = z.array(
  z.object({
    ...{ doors: number, startMs: number, strayMicros: number, firstKnockMicros: number },
    ...{ delayP50Ms: number, delayP95Ms: number, reloadMs: number, idlePssMiB: number },
  }),
);
type Doors = z.infer<typeof doorsShape>[number];
const TIMES = 1.5;

export function doorsRows(figures: unknown): readonly Row[] {
  const [one, many] = doorsShape.parse(figures);
  if (one === undefined || many === undefined) throw new Error('there are not two to compare');
  const compared = (what: string, of: keyof Doors, unit: string, isGoal = true) => {
    const times = many[of] / one[of];
    const measured = `${shown(many[of])} ${unit}, one door ${shown(one[of])}: × ${shown(times)}`;
    const goal = isGoal ? `≤ × ${TIMES}` : '';
    const check = isGoal ? { value: times, limit: TIMES } : undefined;
    return row(`${count(many.doors)} doors: ${what}`, goal, measured, '', check);
  };
  return [
    compared('start → listening', 'startMs', 'ms'),
    compared('processor time for a stray', 'strayMicros', 'µs'),
    compared('processor time for a first knock', 'firstKnockMicros', 'µs'),
    compared('knock → start command running, p50', 'delayP50Ms', 'ms'),
    compared('knock → start command running, p95', 'delayP95Ms', 'ms', false),
    compared('reload', 'reloadMs', 'ms', false),
  ];
}

const spread = z.object({ p50: number, p99: number, max: number });
const grantsShape = z.array(
  z.object({
    ...{ count: number, withinMs: number, opened: number, closed: number, mostElements: number },
    ...{ openMs: spread, closeLateMs: spread, elementLateMs: spread },
  }),
);
const LATE_MS = 250;

export function grantsRows(figures: unknown): readonly Row[] {
  return grantsShape.parse(figures).flatMap((grants) => {
    const { opened, closed, openMs, closeLateMs, elementLateMs } = grants;
    const what = `${count(grants.count)} grants knocked for within ${shown(grants.withinMs / 1000)} s`;
    const all = { limit: grants.count, atLeast: true } as const;
    const three = ({ p50, p99, max }: z.infer<typeof spread>) =>
      `p50 ${ms(p50)}, p99 ${ms(p99)}, max ${ms(max)}`;
    const late = (each: z.infer<typeof spread>) => ({ value: each.p99, limit: LATE_MS });
    return [
      row(`${what}: opened`, 'all', count(opened), '', { value: opened, ...all }),
      row('closed', 'all', count(closed), '', { value: closed, ...all }),
      row('at once in the kernel', '', count(grants.mostElements)),
      row('last knock → element there', '', three(openMs)),
      row(
        'close lateness, journal',
        `p99 ≤ ${LATE_MS} ms`,
        three(closeLateMs),
        '',
        late(closeLateMs),
      ),
      row(
        'close lateness, element gone',
        `p99 ≤ ${LATE_MS} ms`,
        three(elementLateMs),
        '',
        late(elementLateMs),
      ),
    ];
  });
}
