/** Doors of a cluster whose shared Redis fails over: each way to run, fixed and one-time. */
import { join } from 'node:path';
import type { RunOn } from '../../../config/types.js';
import { section } from '../../support/conf.js';

export interface FailoverDoor {
  readonly runOn: RunOn;
  readonly isOneTime: boolean;
}

export const DOORS = {
  here: { runOn: 'here', isOneTime: false },
  all: { runOn: 'everywhere', isOneTime: false },
  once: { runOn: 'once', isOneTime: false },
  mine: { runOn: 'here', isOneTime: true },
  single: { runOn: 'everywhere', isOneTime: true },
} as const satisfies Readonly<Record<string, FailoverDoor>>;

export type DoorName = keyof typeof DOORS;

export const ONE_TIME = ['mine', 'single'] as const;

const FIXED = { here: '7011,8122,9033', all: '7211,8322,9233', once: '7411,8522,9433' } as const;

/** Sections of knockd.conf. Commands are not looked at: the bench's host stands for them. */
export function doorsConf(folder: string): string {
  const all = { tcpflags: 'syn', start_command: 'true %IP%' };
  const closes = { stop_command: 'true %IP%', cmd_timeout: 1 };
  return Object.entries(DOORS)
    .map(([name, { runOn }]) => {
      const isFixed = name === 'here' || name === 'all' || name === 'once';
      const sequence = isFixed
        ? { sequence: FIXED[name] }
        : { one_time_sequences: join(folder, fileOf(name)) };
      const end = name === 'here' ? closes : {};
      return section(name, { ...all, ...sequence, ...end, run_on: runOn });
    })
    .join('\n');
}

export function fileOf(door: string): string {
  return `${door}.sequences`;
}

/** So many lines of sequences, none of which any other call gave for another `from`. */
export function sequences(door: (typeof ONE_TIME)[number], from: number, count: number): string {
  const base = door === 'mine' ? 20_000 : 40_000;
  const line = (n: number) => `${base + n},${60_000 - n},${10_000 + ((n * 7919) % 9000)}\n`;
  return Array.from({ length: count }, (_, index) => line(from + index)).join('');
}
