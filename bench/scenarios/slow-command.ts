/**
 * A start command that sleeps, and meanwhile a knock at another door, by the same source and by
 * another one: how much later its command runs than without the sleeping one.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Network } from '../../test/support/netns.js';
import type { KnockSenderInput, TimedFrame } from '../knock-sender.js';
import { quantile, rounded } from '../lib/figures.js';
import { hit, type Wire, wireOf } from '../lib/frames.js';
import { type ProgramName, type Running, start } from '../lib/programs.js';
import type { BenchContext, Scenario } from '../lib/scenario.js';

const KNOCK_SENDER = fileURLToPath(new URL('../knock-sender.js', import.meta.url));
const SLOW_PORTS = [21_407, 8713, 30_211];
const OTHER_PORTS = [18_273, 9146, 31_544];
const SOURCES = { same: '192.0.2.21', other: '192.0.2.22' } as const;
const BETWEEN_HITS_MS = 5;
/** The sender has opened its socket. */
const FIRST_AT_MS = 200;

interface SlowPlan {
  readonly rounds: number;
  readonly sleepMs: number;
  /**
   * From the knock at the slow door to that at the other, by the one source and the other. Without
   * the slow one they keep the same times: a program that has just worked is faster.
   */
  readonly knocksAfterMs: readonly [number, number];
  /** From the end of a sleep to the next round. */
  readonly pauseMs: number;
}

const PLAN: SlowPlan = { rounds: 10, sleepMs: 5000, knocksAfterMs: [500, 1000], pauseMs: 500 };
const QUICK: SlowPlan = { rounds: 4, sleepMs: 800, knocksAfterMs: [200, 450], pauseMs: 300 };

type Who = keyof typeof SOURCES;
type Phase = 'alone' | 'asleep';

/** A knock at the other door. */
interface Sent {
  readonly phase: Phase;
  readonly who: Who;
  readonly atMs: number;
}

interface DelayFigures {
  readonly p50Ms: number;
  readonly mostMs: number;
  readonly lost: number;
  readonly valuesMs: readonly number[];
}

interface SlowFigures extends SlowPlan {
  readonly program: ProgramName;
  /** How often the slow command ran, and how many knocks came while it did. */
  readonly slept: number;
  readonly knocksWhileAsleep: number;
  /** From knock to command, without the sleeping command and with it. */
  readonly alone: Readonly<Record<Who, DelayFigures>>;
  readonly asleep: Readonly<Record<Who, DelayFigures>>;
  /** What the sleeping command adds to the median. */
  readonly addedP50Ms: Readonly<Record<Who, number>>;
}

export const slowCommand: Scenario = {
  name: 'slow-command',
  title: 'how much a start command that sleeps delays the opening of another door',
  async run(context) {
    const plan = context.quick ? QUICK : PLAN;
    const postern = await measure(context, 'postern', plan);
    // knockd's delay depends on when its poll ends: too few values here to compare with.
    const knockd = context.quick ? [] : [await measure(context, 'knockd', plan)];
    return {
      figures: { programs: [postern, ...knockd] },
      // Both sources together: few values, and each of a few milliseconds.
      ratios: { asleepPerAlone: rounded(medianOf(postern.asleep) / medianOf(postern.alone)) },
    };
  },
};

function medianOf({ same, other }: Readonly<Record<Who, DelayFigures>>): number {
  return quantile([...same.valuesMs, ...other.valuesMs], 0.5);
}

async function measure(
  context: BenchContext,
  program: ProgramName,
  plan: SlowPlan,
): Promise<SlowFigures> {
  const { say } = context;
  const network = await context.network();
  const folder = await context.folder();
  const stamps = { slow: join(folder, 'slow.stamps'), other: join(folder, 'other.stamps') };
  for (const file of Object.values(stamps)) await writeFile(file, '');
  const running = await start(program, network, {
    doors: doorsOf(stamps, plan),
    // One client stands for many here.
    options: 'max_attempts_per_minute = 0',
    folder,
  });
  try {
    say(`${program}: ${plan.rounds} knocks while a command sleeps`);
    const sent = await send(network, plan);
    const ran = await timesIn(stamps.other);
    const figures = figuresOf(running, plan, sent, ran, await timesIn(stamps.slow));
    const { same, other } = figures.addedP50Ms;
    say(`${program}: opened later by ${same} ms for the same source, ${other} ms for another`);
    return figures;
  } finally {
    await running.dispose();
    await network.dispose();
  }
}

function doorsOf(stamps: { slow: string; other: string }, { sleepMs }: SlowPlan): string {
  const stamp = (what: string, file: string) => `echo "${what} $(date +%s%N)" >> ${file}`;
  const door = (name: string, ports: readonly number[], command: string) =>
    `[${name}]\nsequence = ${ports.join(',')}\nseq_timeout = 5\ntcpflags = syn\ncommand = ${command}\n`;
  const sleeping = `${stamp('begun', stamps.slow)}; sleep ${sleepMs / 1000}; ${stamp('ended', stamps.slow)}`;
  return (
    door('slow', SLOW_PORTS, sleeping) + door('other', OTHER_PORTS, stamp('%IP%', stamps.other))
  );
}

/** Gives the wall clock at which the last hit of each knock at the other door was sent. */
async function send(network: Network, plan: SlowPlan): Promise<Sent[]> {
  const input: KnockSenderInput = {
    device: network.interfaces.client,
    frames: framesOf(await wireOf(network), plan),
  };
  const lastMs = input.frames.at(-1)?.afterMs ?? 0;
  const said = await network.must('client', [process.execPath, KNOCK_SENDER], {
    input: JSON.stringify(input),
    timeoutMs: lastMs + 20_000,
  });
  await sleep(plan.sleepMs + plan.pauseMs);
  return said.split('\n').filter(Boolean).map(sentOf);
}

function framesOf(wire: Wire, plan: SlowPlan): TimedFrame[] {
  const { rounds, sleepMs, knocksAfterMs, pauseMs } = plan;
  const frames: TimedFrame[] = [];
  const knock = (source: string, ports: readonly number[], atMs: number, name?: string) => {
    for (const [index, port] of ports.entries()) {
      const isNamed = name !== undefined && index === ports.length - 1;
      const afterMs = atMs + index * BETWEEN_HITS_MS;
      frames.push({ afterMs, hex: hit(wire, source, port), ...(isNamed && { name }) });
    }
  };
  const others = (phase: Phase, round: number, fromMs: number) => {
    for (const [index, who] of inTurn(round).entries()) {
      const atMs = fromMs + (knocksAfterMs[index] ?? 0);
      knock(SOURCES[who], OTHER_PORTS, atMs, `${phase}/${who}`);
    }
  };
  let atMs = FIRST_AT_MS;
  for (let round = 0; round < rounds; round++) {
    others('alone', round, atMs);
    atMs += knocksAfterMs[1] + pauseMs;
  }
  for (let round = 0; round < rounds; round++) {
    knock(SOURCES.same, SLOW_PORTS, atMs);
    others('asleep', round, atMs);
    atMs += sleepMs + pauseMs;
  }
  return frames;
}

/** Neither source is always the first one. */
function inTurn(round: number): readonly Who[] {
  return round % 2 === 0 ? ['same', 'other'] : ['other', 'same'];
}

function sentOf(line: string): Sent {
  const [name = '', atMs = ''] = line.split(' ');
  const [phase, who] = name.split('/');
  return {
    phase: phase === 'asleep' ? 'asleep' : 'alone',
    who: who === 'same' ? 'same' : 'other',
    atMs: Number(atMs),
  };
}

/** Lines of a word and nanoseconds, as milliseconds by word. */
async function timesIn(file: string): Promise<Map<string, number[]>> {
  const times = new Map<string, number[]>();
  for (const line of (await readFile(file, 'utf8')).split('\n').filter(Boolean)) {
    const [word = '', nanoseconds = ''] = line.split(' ');
    const atMs = Number(BigInt(nanoseconds) / 1000n) / 1000;
    times.set(word, [...(times.get(word) ?? []), atMs]);
  }
  return times;
}

function figuresOf(
  { name: program }: Running,
  plan: SlowPlan,
  sent: readonly Sent[],
  ran: ReadonlyMap<string, readonly number[]>,
  slow: ReadonlyMap<string, readonly number[]>,
): SlowFigures {
  const begun = slow.get('begun') ?? [];
  const ended = slow.get('ended') ?? [];
  const isAsleep = (atMs: number) =>
    begun.some((beginMs, n) => beginMs <= atMs && atMs < (ended[n] ?? beginMs));
  const delays = (phase: Phase, who: Who) => {
    const ofSource = sent.filter((each) => each.who === who).map(({ atMs }) => atMs);
    const times = sent.filter((each) => each.who === who && each.phase === phase);
    return delayFigures(
      times.map(({ atMs }) => delayOf(atMs, ofSource, ran.get(SOURCES[who]) ?? [])),
    );
  };
  const alone = { same: delays('alone', 'same'), other: delays('alone', 'other') };
  const asleep = { same: delays('asleep', 'same'), other: delays('asleep', 'other') };
  const added = (who: Who) => rounded(asleep[who].p50Ms - alone[who].p50Ms, 1);
  return {
    ...{ program, ...plan, alone, asleep, slept: ended.length },
    knocksWhileAsleep: sent.filter(({ phase, atMs }) => phase === 'asleep' && isAsleep(atMs))
      .length,
    addedP50Ms: { same: added('same'), other: added('other') },
  };
}

/** To the command that ran after this knock and before the source's next one. */
function delayOf(
  atMs: number,
  sentMs: readonly number[],
  ranMs: readonly number[],
): number | undefined {
  const nextMs = Math.min(...sentMs.filter((each) => each > atMs));
  const found = ranMs.find((each) => each >= atMs && each < nextMs);
  return found === undefined ? undefined : found - atMs;
}

function delayFigures(delays: readonly (number | undefined)[]): DelayFigures {
  const values = delays.filter((each) => each !== undefined);
  return {
    p50Ms: rounded(quantile(values, 0.5), 2),
    mostMs: rounded(Math.max(...values), 2),
    lost: delays.length - values.length,
    valuesMs: values.map((each) => rounded(each, 2)),
  };
}
