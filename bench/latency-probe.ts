/**
 * Knocks from a raw socket in the client's namespace, and sees when the kernel has the element of
 * nftables and when a connection succeeds. Input: one JSON object on standard input. Output: one
 * JSON object; all stamps are of this one process and its one clock.
 */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import capModule from 'cap';
import { endProcess } from '../test/support/processes.js';
import { BETWEEN_HITS_MS, LOST_MS, pauseMs } from './lib/latency.js';
import { Attempts } from './lib/latency-attempts.js';
import { Elements } from './lib/latency-elements.js';

export interface ProbeInput {
  /** The client's end of the wire. */
  readonly device: string;
  readonly serverNamespace: string;
  /** The set that the doors fill, as in `inet bench allow4`. */
  readonly set: string;
  readonly server: string;
  readonly port: number;
  readonly knocks: readonly ProbedKnock[];
}

export interface ProbedKnock {
  readonly source: string;
  /** Frames in hexadecimal; without any, the element is written to an nft that waits for it. */
  readonly hits: readonly string[];
  /** Connections disturb a little: some knocks are for the element, others for the connection. */
  readonly sees: 'element' | 'connection';
}

export interface ProbeOutput {
  readonly elementMs: readonly number[];
  readonly connectionMs: readonly number[];
}

type Act = (knock: ProbedKnock) => Promise<() => void>;

/** Gives what remains to be done at the last moment: the packet that completes the sequence. */
function knocking(device: string): Act {
  const cap = new capModule.Cap();
  cap.open(device, 'less 1', 1024 * 1024, Buffer.alloc(65_535));
  return async ({ hits }) => {
    const frames = hits.map((hex) => Buffer.from(hex, 'hex'));
    for (const frame of frames.slice(0, -1)) {
      cap.send(frame, frame.length);
      await sleep(BETWEEN_HITS_MS);
    }
    const last = frames.at(-1) ?? Buffer.alloc(0);
    return () => cap.send(last, last.length);
  };
}

function writing(write: (line: string) => void, { set, port }: ProbeInput): Act {
  return async ({ source }) => {
    const line = `add element ${set} { ${source} . tcp . ${port} timeout 10m }`;
    return () => write(line);
  };
}

async function probe(input: ProbeInput): Promise<ProbeOutput> {
  const inServer = ['netns', 'exec', input.serverNamespace, 'nft'];
  const nft = spawn('ip', [...inServer, '-i'], { stdio: ['pipe', 'ignore', 'inherit'] });
  const monitor = spawn('ip', [...inServer, '-n', 'monitor', 'new', 'elements'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const attempts = new Attempts(input.server, input.port);
  try {
    const write = (line: string) => void nft.stdin.write(`${line}\n`);
    const elements = await Elements.watch(monitor.stdout, write);
    const hasHits = input.knocks.some(({ hits }) => hits.length > 0);
    const act = hasHits ? knocking(input.device) : writing(write, input);
    return await each(input, act, elements, attempts);
  } finally {
    await Promise.all([attempts.stop(), endProcess(nft), endProcess(monitor)]);
  }
}

async function each(
  { knocks, set }: ProbeInput,
  act: Act,
  elements: Elements,
  attempts: Attempts,
): Promise<ProbeOutput> {
  const elementMs: number[] = [];
  const connectionMs: number[] = [];
  for (const knock of knocks) {
    const { source, sees } = knock;
    await sleep(pauseMs());
    // Or nothing would be measured.
    if (sees === 'connection') await attempts.mustBeShut(source);
    const complete = await act(knock);
    if (sees === 'element') {
      elementMs.push(await delay(complete, () => elements.seen(set, source)));
    } else {
      connectionMs.push(await delay(complete, () => attempts.succeed(source, LOST_MS)));
    }
  }
  return { elementMs, connectionMs };
}

async function delay(complete: () => void, opened: () => Promise<number>): Promise<number> {
  const openedAt = opened();
  const startMs = performance.now();
  complete();
  const late = sleep(LOST_MS, startMs + LOST_MS, { ref: false });
  return (await Promise.race([openedAt, late])) - startMs;
}

const [, program] = process.argv;
if (program?.endsWith('latency-probe.js')) {
  const output = await probe(JSON.parse(await text(process.stdin)));
  process.stdout.write(JSON.stringify(output), () => process.exit(0));
}
