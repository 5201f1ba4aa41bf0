/** What is killed, and how. Everything is a SIGKILL: nobody gets to tidy up. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../capture/random.js';
import type { CrashHost } from './host.js';

export const TARGETS = [
  'core',
  'core while it starts',
  'core and redis',
  'redis',
  'sensor',
  'nft',
  'command',
  'command and its children',
] as const;

export type Target = (typeof TARGETS)[number];

/** A start takes about so long on a slow machine; milliseconds. */
const START_MS = 900;
const COMMAND_WITHIN_MS = 1500;

/** Kills one thing and brings back what systemd would. False: there was nothing of the kind. */
export async function kill(target: Target, host: CrashHost, random: Random): Promise<boolean> {
  switch (target) {
    case 'core':
      await host.killCore();
      await host.restart();
      return true;
    case 'core while it starts':
      await host.killCore();
      await host.begin();
      await sleep(random.below(START_MS));
      await host.killCore();
      await host.restart();
      return true;
    case 'core and redis':
      killAll(host.familyOf(/redis-server/));
      await host.killCore();
      await host.restart();
      return true;
    case 'redis':
      return killAll(host.familyOf(/redis-server/));
    case 'nft':
      return killAll(host.familyOf(/^(\S*\/)?nft /));
    case 'sensor':
      return killAll(host.familyOf(/sensor\.js/));
    case 'command':
    case 'command and its children':
      return killCommand(host, target !== 'command');
  }
}

/**
 * Waits for a start or stop command to kill, the shell alone or with what it runs. One a grant: a
 * stop command is tried again after half a second, then after ever longer (G5).
 */
async function killCommand(host: CrashHost, wholeGroup: boolean): Promise<boolean> {
  const untilMs = Date.now() + COMMAND_WITHIN_MS;
  while (Date.now() < untilMs) {
    const shell = host.commands().find(({ grant }) => !host.hurt.has(grant));
    if (shell !== undefined && killHard(wholeGroup ? -shell.pid : shell.pid)) {
      host.hurt.add(shell.grant);
      host.absences.push({ fromMs: Date.now(), toMs: Date.now() });
      return true;
    }
    await sleep(20);
  }
  return false;
}

function killAll(pids: readonly number[]): boolean {
  return pids.map(killHard).includes(true);
}

function killHard(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false; // It ended by itself in between.
  }
}
