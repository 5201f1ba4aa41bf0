/** All checks on one sink, and the report of them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { asFactory, type UserSink, understandSink } from '../../sinks/module/contract.js';
import { moduleReason } from '../../sinks/module/reason.js';
import { CHECKS, type CheckContext } from './checks.js';
import { DEFAULT_TIMEOUT_MS, Examination, Hopeless } from './examination.js';
import type { SinkReport, TestSinkOptions } from './types.js';

/** What a sink leaves behind may need so long to end by itself, milliseconds. */
const ENDS_WITHIN_MS = 1000;

export async function examine(exported: unknown, options: TestSinkOptions): Promise<SinkReport> {
  // A runner of tests may set its own timer only when the test has begun to wait.
  await sleep(1);
  const before = activeResources();
  const anew = () => make(exported, options);
  let sink: UserSink;
  try {
    sink = await anew();
  } catch (error) {
    return report([moduleReason(error)], [], []);
  }
  const exam = new Examination(sink, options);
  const context = { exam, options, anew: asFactory(exported) && anew };
  const [checks, skipped] = await runAll(context);
  for (const left of await leftBehind(before)) exam.find(left);
  return report(exam.findings, checks, skipped);
}

function report(findings: readonly string[], checks: string[], skipped: string[]): SinkReport {
  return { ok: findings.length === 0, findings, checks, skipped };
}

async function runAll(context: CheckContext): Promise<[checks: string[], skipped: string[]]> {
  const checks: string[] = [];
  const skipped: string[] = [];
  for (const { name, skip, run } of CHECKS) {
    const why = skip?.(context);
    if (why !== undefined) {
      skipped.push(`${name}: ${why}`);
      continue;
    }
    checks.push(name);
    try {
      await run(context);
    } catch (error) {
      if (error instanceof Hopeless) break;
      // Of what the test brought: state() or breakIt().
      context.exam.find(`${name} could not be tried: ${moduleReason(error)}`);
    }
  }
  return [checks, skipped];
}

async function make(exported: unknown, { options = {}, timeoutMs }: TestSinkOptions) {
  const factory = asFactory(exported);
  const lines = { debug() {}, info() {}, warn() {}, error() {} };
  const context = Object.freeze({ name: 'module:test', log: Object.freeze(lines) });
  const over = new AbortController();
  const made: unknown = await Promise.race([
    factory === undefined ? exported : factory(Object.freeze({ ...options }), context),
    late(timeoutMs ?? DEFAULT_TIMEOUT_MS, over.signal),
  ]).finally(() => over.abort());
  const of = factory === undefined ? 'the default export' : 'what the default export gives';
  const sink = understandSink(made, of);
  if ('problem' in sink) throw new Error(sink.problem);
  return sink;
}

/** Throws when the time is over; never settles when `over` comes before. */
function late(ms: number, over: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const timer = setTimeout(
      () => reject(new Error(`the default export gives no sink within ${ms} ms`)),
      ms,
    );
    over.addEventListener('abort', () => clearTimeout(timer), { once: true });
  });
}

type Counts = ReadonlyMap<string, number>;

/** What keeps this process alive, by kind. */
function activeResources(): Counts {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo())
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

async function leftBehind(before: Counts): Promise<readonly string[]> {
  const untilMs = performance.now() + ENDS_WITHIN_MS;
  for (;;) {
    const more = [...activeResources()].filter(([kind, count]) => count > (before.get(kind) ?? 0));
    if (more.length === 0) return [];
    if (performance.now() > untilMs) return more.map(([kind]) => leaves(kind));
    await sleep(20);
  }
}

function leaves(kind: string): string {
  return `it leaves something behind that keeps a process alive (${kind}): end it, or unref() it`;
}
