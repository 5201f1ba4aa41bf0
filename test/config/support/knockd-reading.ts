/** What the real knockd makes of a configuration, from what it says at start with -D. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Network } from '../../support/netns.js';

/** What counts of a door, in knockd's own words. */
export interface DoorReading {
  readonly name: string;
  readonly values: Readonly<Record<string, string>>;
  /** Flag to whether it must be set (true) or not (false). */
  readonly flags: Readonly<Record<string, boolean>>;
}

export interface KnockdReading {
  readonly accepted: boolean;
  readonly doors: readonly DoorReading[];
  /** LogFile, PidFile and UseSyslog. */
  readonly options: Readonly<Record<string, string>>;
  readonly said: string;
}

/** Lets knockd read a file in the network's namespace, and ends it once it listens. */
export async function knockdReads(network: Network, file: string): Promise<KnockdReading> {
  const argv = ['knockd', '-D', '-v', '-i', 'lo', '-c', file];
  const child = network.spawn('server', argv);
  const said = await saidUntilListening(child);
  return { accepted: said.includes('\nlistening on '), ...readingOf(said), said };
}

async function saidUntilListening(child: ChildProcess): Promise<string> {
  let said = '\n';
  const hear = (chunk: Buffer) => {
    said += chunk.toString('utf8');
    // Not SIGTERM: its handler prints, and hangs for ever if it interrupts this very line.
    if (said.includes('\nlistening on ')) child.kill('SIGKILL');
  };
  child.stdout?.on('data', hear);
  child.stderr?.on('data', hear);
  await once(child, 'close');
  return said;
}

function readingOf(said: string): Pick<KnockdReading, 'doors' | 'options'> {
  const doors: { name: string; values: Record<string, string>; flags: Record<string, boolean> }[] =
    [];
  const options: Record<string, string> = {};
  for (const line of said.split('\n')) {
    const section = /^config: new section: '(.*)'$/.exec(line)?.[1];
    const door = doors.at(-1);
    const flag = /^config: tcp flag: (!?)([A-Z]+)$/.exec(line);
    if (section !== undefined) {
      if (section !== 'options') doors.push({ name: section, values: {}, flags: {} });
    } else if (door && flag) {
      door.flags[flag[2]!] = flag[1] === '';
    } else if (door && line.startsWith(`config: ${door.name}: `)) {
      const [, key, value] = /^([a-z0-9_ ]+): (.*)$/.exec(
        line.slice(`config: ${door.name}: `.length),
      )!;
      door.values[key!] = value!;
    } else {
      const option = /^config: (usesyslog|log file|pid file)(?:: (.*))?$/.exec(line);
      if (option) options[option[1]!] = option[2] ?? '';
    }
  }
  return { doors, options };
}
