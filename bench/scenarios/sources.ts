/**
 * Four million sources, each with one first knock: the memory of all processes before, meanwhile,
 * and when they are forgotten. A first knock is remembered for 25 s, knockd's default, so that the
 * table of sources is full (`max_sources`) long before the last one comes.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Network } from '../../test/support/netns.js';
import type { FloodInput, FloodOutput } from '../flood-sender.js';
import { rounded } from '../lib/figures.js';
import { hit, wireOf } from '../lib/frames.js';
import { type ProgramMemory, programMemory } from '../lib/memory.js';
import { type ProgramName, type Running, start } from '../lib/programs.js';
import type { BenchContext, Scenario } from '../lib/scenario.js';
import { answerNothing } from '../lib/spoofed.js';

const FLOOD_SENDER = fileURLToPath(new URL('../flood-sender.js', import.meta.url));
const PORTS = [18273, 9146, 31544];
/** 10.0.0.1 and on; nothing leaves the namespaces. */
const FIRST_SOURCE = 0x0a_00_00_01;
/** Beyond what the sources take, so that a sender that falls behind still has sent them all. */
const SPARE_SHARE = 0.03;
const EVERY_MS = { flood: 1000, after: 5000 };

interface SourcesPlan {
  readonly sources: number;
  readonly perSecond: number;
  readonly seqTimeoutSeconds: number;
  /** The program has settled. */
  readonly beforeSeconds: number;
  /** How long it is watched after the last packet. */
  readonly afterSeconds: number;
}

const PLAN: SourcesPlan = {
  ...{ sources: 4_000_000, perSecond: 100_000, seqTimeoutSeconds: 25 },
  ...{ beforeSeconds: 5, afterSeconds: 45 },
};
const QUICK: SourcesPlan = {
  ...{ sources: 160_000, perSecond: 40_000, seqTimeoutSeconds: 2 },
  ...{ beforeSeconds: 1, afterSeconds: 5 },
};

interface Sample extends ProgramMemory {
  /** Since the flood began. */
  readonly atSeconds: number;
}

/** What the service says of itself. */
interface Counts {
  readonly framesSeen: number;
  readonly tracked: number;
  readonly evicted: number;
}

interface SourcesFigures extends SourcesPlan {
  readonly program: ProgramName;
  readonly sent: number;
  readonly distinct: number;
  readonly reachedPerSecond: number;
  readonly floodSeconds: number;
  /** Of postern, when the flood has just ended, and at the end. */
  readonly counts?: { readonly then: Counts; readonly last: Counts };
  readonly before: ProgramMemory;
  readonly most: Sample;
  readonly after: Sample;
  /** The share of what was added that was given back in the end. */
  readonly givenBackShare: number;
  readonly samples: readonly Sample[];
}

const statusShape = z.object({
  knocks: z.object({ dormant: z.number(), dormantEvicted: z.number() }),
  sensors: z.array(z.object({ frames: z.number() })),
});

export const sources: Scenario = {
  name: 'sources',
  title: 'memory of all processes while 4,000,000 spoofed sources knock once, and after',
  async run(context) {
    const plan = context.quick ? QUICK : PLAN;
    const postern = await measure(context, 'postern', plan);
    // Its list of attempts is walked at each packet, so most of the flood never gets to it.
    const knockd = context.quick ? [] : [await measure(context, 'knockd', plan)];
    const { before, most, after } = postern;
    return {
      figures: { programs: [postern, ...knockd] },
      ratios: {
        mostPerBefore: rounded(most.aloneMiB / before.aloneMiB, 3),
        afterPerBefore: rounded(after.aloneMiB / before.aloneMiB, 3),
      },
    };
  },
};

async function measure(
  context: BenchContext,
  program: ProgramName,
  plan: SourcesPlan,
): Promise<SourcesFigures> {
  const network = await context.network();
  await answerNothing(network);
  const running = await start(program, network, {
    doors: doorOf(plan),
    folder: await context.folder(),
  });
  try {
    return await under(context, network, running, plan);
  } finally {
    await running.dispose();
    await network.dispose();
  }
}

function doorOf({ seqTimeoutSeconds }: SourcesPlan): string {
  const lines = [`sequence = ${PORTS.join(',')}`, `seq_timeout = ${seqTimeoutSeconds}`];
  return `[bench]\n${lines.join('\n')}\ntcpflags = syn\ncommand = true\n`;
}

async function under(
  { say }: BenchContext,
  network: Network,
  running: Running,
  plan: SourcesPlan,
): Promise<SourcesFigures> {
  const { name: program, pid } = running;
  await sleep(plan.beforeSeconds * 1000);
  const before = programMemory(pid);
  say(`${program}: ${before.aloneMiB} MiB before; ${plan.sources} sources`);
  const series = new Series(pid);
  const { sent, seconds } = await series.during(sendFlood(network, plan));
  say(`${program}: the flood is over`);
  const then = await countsOf(running);
  await series.goOn(plan.afterSeconds);
  const last = await countsOf(running);
  const { samples } = series;
  const most = samples.reduce((a, b) => (b.aloneMiB > a.aloneMiB ? b : a));
  const after = samples.at(-1) ?? most;
  say(`${program}: ${most.aloneMiB} MiB at most, ${after.aloneMiB} MiB after`);
  const added = most.aloneMiB - before.aloneMiB;
  return {
    ...{ program, ...plan, sent, distinct: Math.min(sent, plan.sources) },
    reachedPerSecond: Math.round(sent / seconds),
    floodSeconds: rounded(seconds, 1),
    ...(then !== undefined && last !== undefined && { counts: { then, last } }),
    ...{ before, most, after, samples },
    givenBackShare: rounded((most.aloneMiB - after.aloneMiB) / added, 3),
  };
}

async function sendFlood(network: Network, plan: SourcesPlan): Promise<FloodOutput> {
  const wire = await wireOf(network);
  const [port = 0] = PORTS;
  const seconds = (plan.sources / plan.perSecond) * (1 + SPARE_SHARE);
  const input: FloodInput = {
    device: network.interfaces.client,
    frames: [hit(wire, '10.0.0.1', port)],
    ...{ perSecond: plan.perSecond, seconds, firstSource: FIRST_SOURCE, sources: plan.sources },
  };
  const argv = [process.execPath, FLOOD_SENDER, JSON.stringify(input)];
  return JSON.parse(await network.must('client', argv, { timeoutMs: seconds * 1000 + 20_000 }));
}

async function countsOf({ postern }: Running): Promise<Counts | undefined> {
  if (postern === undefined) return undefined;
  const { knocks, sensors } = statusShape.parse(await postern.status());
  return {
    framesSeen: sensors.reduce((sum, { frames }) => sum + frames, 0),
    tracked: knocks.dormant,
    evicted: knocks.dormantEvicted,
  };
}

/** Memory at times, counted from its making. */
class Series {
  readonly samples: Sample[] = [];
  readonly #startMs = performance.now();

  constructor(private readonly pid: number) {}

  async during<T>(work: Promise<T>): Promise<T> {
    let isOver = false;
    const over = work.finally(() => {
      isOver = true;
    });
    // Rejections are told by `over`, which is awaited in the end.
    over.catch(() => undefined);
    while (!isOver) {
      this.#look();
      await Promise.race([over.catch(() => undefined), sleep(EVERY_MS.flood)]);
    }
    this.#look();
    return over;
  }

  async goOn(seconds: number): Promise<void> {
    const everyMs = Math.min(EVERY_MS.after, (seconds * 1000) / 4);
    for (let ms = 0; ms < seconds * 1000; ms += everyMs) {
      await sleep(everyMs);
      this.#look();
    }
  }

  #look(): void {
    const atSeconds = rounded((performance.now() - this.#startMs) / 1000, 1);
    this.samples.push({ atSeconds, ...programMemory(this.pid) });
  }
}
