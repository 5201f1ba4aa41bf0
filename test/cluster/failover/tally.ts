/** What became of all knocks of a run, for its report. */
import type { Knock, Said } from './knocks.js';
import type { Verdict } from './verdict.js';

export class Tally {
  readonly #answers = new Map<string, number>();
  readonly #tookMs: number[] = [];
  readonly #slowestSaidMs: number[] = [];
  readonly #amiss = { faults: 0, openedTwice: 0, unheard: 0, actedTwice: 0 };
  readonly #examples: string[] = [];

  constructor(private readonly name: string) {}

  get won(): number {
    return [...this.#answers]
      .filter(([key]) => /opening|queued/.test(key))
      .reduce((sum, [, count]) => sum + count, 0);
  }

  add(knocks: readonly Knock[], tookMs: readonly number[], verdict: Verdict): void {
    for (const { door, answer, refusedAfterMs } of knocks) {
      const key = `${door} ${answer}`;
      this.#answers.set(key, (this.#answers.get(key) ?? 0) + 1);
      if (refusedAfterMs !== undefined) this.#slowestSaidMs.push(refusedAfterMs);
    }
    this.#tookMs.push(Math.max(...tookMs));
    for (const what of ['faults', 'openedTwice', 'unheard', 'actedTwice'] as const) {
      this.#amiss[what] += verdict[what].length;
      this.#examples.push(...verdict[what].slice(0, 2).map((text) => `${what}: ${text}`));
    }
  }

  tell(said: ReadonlyMap<string, Said>): void {
    const sorted = [...this.#tookMs].sort((a, b) => a - b);
    const logs = new Map<string, number>();
    for (const { counts } of said.values())
      for (const [line, count] of counts) logs.set(line, (logs.get(line) ?? 0) + count);
    const told = {
      failovers: sorted.length,
      recoveryMs: {
        median: Math.round(sorted[Math.floor(sorted.length / 2)] ?? 0),
        max: Math.round(sorted.at(-1) ?? 0),
      },
      slowestRefusalMs: Math.round(Math.max(0, ...this.#slowestSaidMs)),
      ...this.#amiss,
      answers: Object.fromEntries([...this.#answers].sort()),
      ...(process.env['FAILOVER_VERBOSE'] && {
        examples: this.#examples,
        log: Object.fromEntries(logs),
      }),
    };
    const text = JSON.stringify(told, undefined, process.env['FAILOVER_VERBOSE'] ? 1 : 0);
    process.stderr.write(`      ${this.name}: ${text}\n`);
  }
}
