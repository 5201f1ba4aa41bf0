/**
 * Start to listening, and the memory and processor time of a service that nothing happens to:
 * postern and knockd, beside the floor (a node that says one line and waits).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Network } from '../../test/support/netns.js';
import { Program } from '../../test/support/program.js';
import { quantile, rounded } from '../lib/figures.js';
import { type ProgramMemory, programMemory } from '../lib/memory.js';
import { type Running, start } from '../lib/programs.js';
import type { BenchContext, Scenario } from '../lib/scenario.js';
import { cpuSeconds, total } from '../lib/usage.js';

const DOORS = `[bench]
sequence = 18273,9146,31544
seq_timeout = 5
tcpflags = syn
start_command = true
cmd_timeout = 10
stop_command = true
`;
const BARE_NODE = "process.stdout.write('listening\\n'); setInterval(() => {}, 60_000);";

interface IdlePlan {
  /** Starts with a state folder that is new, and as many with one that was used before. */
  readonly starts: number;
  /** From listening until it is as it stays. */
  readonly settleSeconds: number;
  /** How long its processor time is counted; then follows the look at its memory. */
  readonly watchSeconds: number;
}

const PLAN: IdlePlan = { starts: 5, settleSeconds: 5, watchSeconds: 10 };
const QUICK: IdlePlan = { starts: 2, settleSeconds: 1, watchSeconds: 1 };

/** A program that runs, and how to end it so that its state is there for the next start. */
interface Subject extends Pick<Running, 'pid'> {
  end(): Promise<unknown>;
}

type SubjectName = 'postern' | 'knockd' | 'node';

interface StartFigures {
  readonly medianMs: number;
  readonly mostMs: number;
  readonly valuesMs: readonly number[];
}

interface IdleFigures extends IdlePlan {
  readonly program: SubjectName;
  /** From the start of the process until it says that it listens. */
  readonly newState: StartFigures;
  readonly usedState: StartFigures;
  readonly memory: ProgramMemory;
  /** As on a host where nothing else runs node; without the ring of the packet socket. */
  readonly withoutRingMiB: number;
  /** Processor time of all processes, milliseconds a second. */
  readonly cpuMsPerSecond: number;
}

export const idle: Scenario = {
  name: 'idle',
  title: 'start to listening, and what it uses while nothing happens',
  async run(context) {
    const plan = context.quick ? QUICK : PLAN;
    const network = await context.network();
    const node = await measure(context, network, 'node', plan);
    const postern = await measure(context, network, 'postern', plan);
    const knockd = await measure(context, network, 'knockd', plan);
    return {
      figures: { programs: [postern, knockd, node] },
      ratios: {
        startPerNode: rounded(postern.newState.medianMs / node.newState.medianMs),
        laterStartPerNode: rounded(postern.usedState.medianMs / node.newState.medianMs),
        memoryPerNode: rounded(postern.withoutRingMiB / node.withoutRingMiB),
      },
    };
  },
};

async function measure(
  context: BenchContext,
  network: Network,
  program: SubjectName,
  plan: IdlePlan,
): Promise<IdleFigures> {
  const { starts, settleSeconds, watchSeconds } = plan;
  const fresh: number[] = [];
  const later: number[] = [];
  for (let n = 0; n < starts; n++) {
    const folder = await context.folder();
    fresh.push(await startAndEnd(network, program, folder));
    later.push(await startAndEnd(network, program, folder));
  }
  const subject = await startOne(network, program, await context.folder());
  try {
    await sleep(settleSeconds * 1000);
    const cpuBefore = total(cpuSeconds(subject.pid));
    await sleep(watchSeconds * 1000);
    const cpuMs = (total(cpuSeconds(subject.pid)) - cpuBefore) * 1000;
    const memory = programMemory(subject.pid);
    const figures = {
      ...{ program, ...plan, memory },
      ...{ newState: startFigures(fresh), usedState: startFigures(later) },
      withoutRingMiB: rounded(memory.aloneMiB - memory.ringMiB, 1),
      cpuMsPerSecond: rounded(cpuMs / watchSeconds, 1),
    };
    context.say(
      `${program}: listens after ${figures.newState.medianMs} ms, ${figures.withoutRingMiB} MiB`,
    );
    return figures;
  } finally {
    await subject.end();
  }
}

async function startAndEnd(
  network: Network,
  program: SubjectName,
  folder: string,
): Promise<number> {
  const startedMs = performance.now();
  const subject = await startOne(network, program, folder);
  const tookMs = performance.now() - startedMs;
  await subject.end();
  return tookMs;
}

async function startOne(network: Network, name: SubjectName, folder: string): Promise<Subject> {
  if (name === 'node') return startNode(network);
  const running = await start(name, network, { doors: DOORS, folder });
  const { pid, postern } = running;
  const end = async () => {
    if (postern === undefined) await running.dispose();
    else await postern.stop('SIGTERM', { keep: true });
  };
  return { pid, end };
}

async function startNode(network: Network): Promise<Subject> {
  const program = new Program(network.spawn('server', [process.execPath, '-e', BARE_NODE]));
  await program.waitFor(/listening/);
  return { pid: program.pid, end: () => program.dispose() };
}

function startFigures(valuesMs: readonly number[]): StartFigures {
  return {
    medianMs: rounded(quantile(valuesMs, 0.5), 1),
    mostMs: rounded(Math.max(...valuesMs), 1),
    valuesMs: valuesMs.map((each) => rounded(each, 1)),
  };
}
