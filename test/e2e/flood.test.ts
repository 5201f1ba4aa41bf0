/**
 * T1 in short: spoofed first knocks flood the wire while honest sources knock, and while doors are
 * due to close. `npm run bench` has the long forms.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { FloodInput, FloodOutput } from '../../bench/flood-sender.js';
import type { KnockSenderInput } from '../../bench/knock-sender.js';
import { quantile } from '../../bench/lib/figures.js';
import { hit, wireOf } from '../../bench/lib/frames.js';
import { familyOf, memoryOf } from '../../bench/lib/usage.js';
import { section } from '../support/conf.js';
import type { Postern } from '../support/daemon.js';
import { eventually } from '../support/eventually.js';
import { useLab } from '../support/lab.js';
import { linesOf } from '../support/lines.js';

const FLOOD_SENDER = fileURLToPath(new URL('../../bench/flood-sender.js', import.meta.url));
const KNOCK_SENDER = fileURLToPath(new URL('../../bench/knock-sender.js', import.meta.url));
const PORTS = [18_273, 9146, 31_544];
/** 10.0.0.1 and on; nothing leaves the namespaces. */
const FIRST_SOURCE = 0x0a_00_00_01;
const HONEST = 10;

/** What is promised of a knock under a flood, and of a deadline under any burst. */
const KNOCK_LATE_MS = 100;
const DEADLINE_LATE_MS = 50;
/** From the decision to close to the time that the shell's `date` says, on two busy cores. */
const COMMAND_STARTS_MS = 100;
/** Of all processes, while tracked sources grow from none to 80,000. */
const MEMORY_GROWS_MIB = 128;

/**
 * How long this machine let a process that does nothing wait for its turn: what a busy or stolen
 * processor delays is not postern's, and is added to each limit.
 */
function watchMachine(): { stop(): number } {
  const everyMs = 5;
  let [lastMs, latestMs] = [performance.now(), 0];
  const timer = setInterval(() => {
    const nowMs = performance.now();
    latestMs = Math.max(latestMs, nowMs - lastMs - everyMs);
    lastMs = nowMs;
  }, everyMs);
  return {
    stop() {
      clearInterval(timer);
      return latestMs;
    },
  };
}

describe('a flood of spoofed first knocks (T1)', () => {
  const lab = useLab();

  /** A door whose commands append `WORD SOURCE NANOSECONDS` to the file. */
  const door = (file: string, directives: Readonly<Record<string, string | number>> = {}) => {
    const stamp = (word: string) => `echo "${word} %IP% $(date +%s%N)" >> ${file}`;
    const conditions = { sequence: PORTS.join(','), seq_timeout: 5, tcpflags: 'syn' };
    const stop = 'cmd_timeout' in directives && { stop_command: stamp('stop') };
    return section('door', {
      ...conditions,
      ...directives,
      start_command: stamp('start'),
      ...stop,
    });
  };

  const stamps = async (file: string, word: string): Promise<Map<string, number>> => {
    const lines = (await linesOf(file)).map((line) => line.split(' '));
    return new Map(
      lines
        .filter(([first]) => first === word)
        .map(([, source = '', nanoseconds = '0']) => [source, Number(BigInt(nanoseconds)) / 1e6]),
    );
  };

  const flood = async (perSecond: number, seconds: number): Promise<FloodOutput> => {
    const { network } = lab;
    const input: FloodInput = {
      device: network.interfaces.client,
      frames: [hit(await wireOf(network), '10.0.0.1', PORTS[0] ?? 0)],
      ...{ perSecond, seconds, firstSource: FIRST_SOURCE, sources: 2 ** 23 },
    };
    const argv = [process.execPath, FLOOD_SENDER, JSON.stringify(input)];
    return JSON.parse(await network.must('client', argv, { timeoutMs: 20_000 + seconds * 1000 }));
  };

  /** One source after the other; gives the wall clock at which each sent its last hit. */
  const knock = async (everyMs: number, betweenHitsMs: number): Promise<Map<string, number>> => {
    const { network } = lab;
    const wire = await wireOf(network);
    const frames = Array.from({ length: HONEST }, (_, n) =>
      PORTS.map((port, index) => ({
        afterMs: n * everyMs + index * betweenHitsMs,
        hex: hit(wire, `192.0.2.${10 + n}`, port),
        ...(index === PORTS.length - 1 && { name: `192.0.2.${10 + n}` }),
      })),
    ).flat();
    const input: KnockSenderInput = {
      device: network.interfaces.client,
      frames: frames.toSorted((a, b) => a.afterMs - b.afterMs),
    };
    const said = await network.must('client', [process.execPath, KNOCK_SENDER], {
      input: JSON.stringify(input),
    });
    const lines = said.split('\n').filter(Boolean);
    return new Map(
      lines.map((line) => {
        const [source = '', atMs = ''] = line.split(' ');
        return [source, Number(atMs)];
      }),
    );
  };

  /** `BEGAN` to `ENDED` of each source that has both, sorted. */
  const between = (began: ReadonlyMap<string, number>, ended: ReadonlyMap<string, number>) =>
    [...began]
      .flatMap(([source, atMs]) => {
        const endedMs = ended.get(source);
        return endedMs === undefined ? [] : [endedMs - atMs];
      })
      .toSorted((a, b) => a - b);

  const tell = (what: string, values: readonly number[], stalledMs: number) => {
    const [half, most] = [quantile(values, 0.5), Math.max(...values)].map((ms) => ms.toFixed(1));
    process.stdout.write(
      `    ${what}: median ${half} ms, most ${most} ms; the machine stalled ${stalledMs.toFixed(1)} ms\n`,
    );
  };

  it('keeps no honest knock out, delays none by more than 100 ms, and takes little memory', async function () {
    this.timeout(40_000);
    const file = join(await lab.folder(), 'stamps');
    const postern = await lab.postern(door(file));
    const { pssMiB: beforeMiB } = memoryOf(familyOf(postern.pid));
    const machine = watchMachine();
    const flooding = flood(20_000, 5);
    await sleep(700);
    const sentAt = await knock(200, 500);
    const { sent, seconds } = await flooding;
    const all = async () => (await stamps(file, 'start')).size === HONEST;
    await eventually(`all ${HONEST} honest knocks open`, all, { withinMs: 5000 });
    const stalledMs = machine.stop();
    // All that knocked in the last five seconds are still tracked.
    const grewMiB = memoryOf(familyOf(postern.pid)).pssMiB - beforeMiB;
    const late = between(sentAt, await stamps(file, 'start'));
    tell('knock to command', late, stalledMs);
    assert.ok(sent / seconds > 10_000, `it was a flood: ${Math.round(sent / seconds)} a second`);
    assert.ok((await framesOf(postern)) > sent / 2, 'and postern saw it');
    assert.ok(Math.max(...late) <= KNOCK_LATE_MS + stalledMs, `late by ${late} ms`);
    assert.ok(grewMiB <= MEMORY_GROWS_MIB, `memory grew by ${grewMiB} MiB`);
  });

  it('delays no deadline by more than 50 ms, however dense a burst', async function () {
    this.timeout(40_000);
    const file = join(await lab.folder(), 'stamps');
    const postern = await lab.postern(door(file, { cmd_timeout: 4 }));
    await knock(60, 5);
    const all = (word: string) => async () => (await stamps(file, word)).size === HONEST;
    await eventually(`all ${HONEST} knocks open`, all('start'));
    const firstMs = Math.min(...(await stamps(file, 'start')).values());
    await sleep(firstMs + 4000 - 1000 - Date.now());
    const machine = watchMachine();
    const flooding = flood(50_000, 3);
    await eventually('all are closed', all('stop'), { withinMs: 6000 });
    const stalledMs = machine.stop();
    const stopped = await stamps(file, 'stop');
    const { sent, seconds } = await flooding;
    const { until, closing, sourceOf } = await deadlinesOf(postern);
    const decided = between(until, closing);
    const ran = between(bySource(until, sourceOf), stopped);
    tell('deadline to closing', decided, stalledMs);
    tell('deadline to stop command', ran, stalledMs);
    assert.ok(sent / seconds > 20_000, `it was a burst: ${Math.round(sent / seconds)} a second`);
    assert.equal(decided.length, HONEST);
    assert.ok((decided[0] ?? -1) >= 0, `none is early: ${decided}`);
    assert.ok(Math.max(...decided) <= DEADLINE_LATE_MS + stalledMs, `late by ${decided} ms`);
    const startsWithinMs = DEADLINE_LATE_MS + COMMAND_STARTS_MS + stalledMs;
    assert.ok(Math.max(...ran) <= startsWithinMs, `commands late by ${ran} ms`);
  });
});

async function framesOf(postern: Postern): Promise<number> {
  const { stdout } = await postern.ask('status', '--json');
  const { sensors }: { readonly sensors: readonly { readonly frames: number }[] } =
    JSON.parse(stdout);
  return sensors.reduce((sum, { frames }) => sum + frames, 0);
}

/** By grant: its deadline, when it began to close, both by the wall clock, and its source. */
async function deadlinesOf(postern: Postern) {
  const [until, closing] = [new Map<string, number>(), new Map<string, number>()];
  const sourceOf = new Map<string, string>();
  for (const event of await postern.events()) {
    const { type, grant, atMs } = event;
    if (grant === undefined) continue;
    if (type === 'Opening' && event.source !== undefined) sourceOf.set(grant, event.source);
    if (type === 'Opened' && typeof event.until === 'number') until.set(grant, event.until);
    if (type === 'Closing') closing.set(grant, atMs);
  }
  return { until, closing, sourceOf };
}

function bySource(
  values: ReadonlyMap<string, number>,
  sourceOf: ReadonlyMap<string, string>,
): Map<string, number> {
  return new Map([...values].map(([grant, value]) => [sourceOf.get(grant) ?? '', value]));
}
