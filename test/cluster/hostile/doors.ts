/** Doors of a hostile bench: each way to run, fixed and one-time, closed again and not. */
import { join } from 'node:path';
import { section } from '../../support/conf.js';
import type { BenchDoor } from './bench.js';

/** So many sequences a one-time door has: enough for all honest knocks. */
const ONE_TIME = 100 + Math.ceil(Number(process.env['HOSTILE_CASES'] ?? 600) / 50);

function fixed(first: number): number[] {
  return [first, first + 9173, first + 4391];
}

/** Sequences of a one-time door. */
export function sequences(first: number, count = ONE_TIME): number[][] {
  return Array.from({ length: count }, (_, index) => fixed(first + 7 * index));
}

const SINGLE = sequences(21_013);
const MINE = sequences(31_019);

/** A door whose commands are not looked at: `host.ts` stands for them. */
function door(
  name: string,
  runOn: BenchDoor['runOn'],
  directives: Readonly<Record<string, string | number>>,
): BenchDoor {
  const all = { tcpflags: 'syn', start_command: 'true %IP%', run_on: runOn };
  return { runOn, conf: () => section(name, { ...all, ...directives }) };
}

/** Its file is `NAME.sequences`. */
export function oneTimeDoor(name: string, runOn: BenchDoor['runOn']): BenchDoor {
  const file = (folder: string) => ({ one_time_sequences: join(folder, `${name}.sequences`) });
  return { runOn, isOneTime: true, conf: (folder) => door(name, runOn, file(folder)).conf(folder) };
}

const closes = { stop_command: 'true %IP%', cmd_timeout: 3 };
const ports = (first: number) => ({ sequence: fixed(first).join(',') });

export const DOORS: Readonly<Record<string, BenchDoor>> = {
  all: door('all', 'everywhere', ports(41_011)),
  open: door('open', 'everywhere', { ...ports(42_013), ...closes }),
  one: door('one', 'once', ports(43_019)),
  here: door('here', 'here', { ...ports(44_021), ...closes }),
  single: oneTimeDoor('single', 'everywhere'),
  mine: oneTimeDoor('mine', 'here'),
};

/** Text of a file of one-time sequences. */
export function textOf(all: readonly (readonly number[])[]): string {
  return all.map((sequence) => `${sequence.join(',')}\n`).join('');
}

export const FILES = { 'single.sequences': textOf(SINGLE), 'mine.sequences': textOf(MINE) };

export const SEQUENCES: readonly (readonly number[])[] = [
  ...[41_011, 42_013, 43_019, 44_021].map(fixed),
  ...SINGLE,
  ...MINE,
];
