/** What a number of packets cost: processor time in a window, less what the program uses idle. */
import { setTimeout as sleep } from 'node:timers/promises';
import { rounded } from './figures.js';
import { cpuSeconds } from './usage.js';

export interface CpuSample {
  readonly atMs: number;
  readonly byRole: ReadonlyMap<string, number>;
}

/** Processor seconds a second, by role. */
export type CpuRate = ReadonlyMap<string, number>;

export interface PacketCost {
  /** Microseconds of processor time, user and system, for a packet: all processes. */
  readonly micros: number;
  readonly microsByRole: Readonly<Record<string, number>>;
}

export function sampleCpu(pid: number): CpuSample {
  return { atMs: performance.now(), byRole: cpuSeconds(pid) };
}

export async function idleRate(pid: number, overMs: number): Promise<CpuRate> {
  const before = sampleCpu(pid);
  await sleep(overMs);
  const after = sampleCpu(pid);
  const seconds = (after.atMs - before.atMs) / 1000;
  return new Map([...used(before, after)].map(([role, value]) => [role, value / seconds]));
}

export function costOf(
  before: CpuSample,
  after: CpuSample,
  idle: CpuRate,
  packets: number,
): PacketCost {
  const seconds = (after.atMs - before.atMs) / 1000;
  const byRole = [...used(before, after)].map(([role, value]) => {
    const micros = ((value - (idle.get(role) ?? 0) * seconds) / packets) * 1e6;
    return [role, Math.max(0, micros)] as const;
  });
  return {
    micros: rounded(byRole.reduce((sum, [, micros]) => sum + micros, 0)),
    microsByRole: Object.fromEntries(byRole.map(([role, micros]) => [role, rounded(micros)])),
  };
}

/** The least of several rounds: whatever else the machine does only adds to it. */
export function leastOf<Row extends PacketCost>(rows: readonly Row[]): Row {
  const [least] = rows.toSorted((a, b) => a.micros - b.micros);
  if (least === undefined) throw new Error('nothing was measured');
  return least;
}

function used(before: CpuSample, after: CpuSample): Map<string, number> {
  const entries = [...after.byRole];
  return new Map(entries.map(([role, value]) => [role, value - (before.byRole.get(role) ?? 0)]));
}
