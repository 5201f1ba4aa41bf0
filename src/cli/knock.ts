#!/usr/bin/env node
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parseHit } from '../client/hits.js';
import { type KnockOptions, knock } from '../client/knock.js';
import { packageVersion } from '../client/version.js';
import { reasonOf } from '../errors.js';

export interface KnockCommand {
  /** Milliseconds between hits when `-d` is not given: 0 for `knock`, 20 for `postern knock`. */
  readonly defaultDelayMs: number;
  /** How the command was called, for its texts. */
  readonly name: string;
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

/**
 * The command line of knock(1): `[-u] [-d MS] [-v] [-4|-6] [-V] [-h] HOST PORT[:PROTO]…`. Resolves
 * with the exit code: 0 when every packet was handed to the network, else 1 (with the reason on
 * stderr); 1 with the usage on stdout for a wrong or missing argument and for `-h`, as knock(1).
 * The ports stand in argv, where `ps` shows them while the command runs: that is knock's interface.
 */
export async function runKnock(argv: readonly string[], command: KnockCommand): Promise<number> {
  const { name, stdout, stderr } = command;
  let words: Words;
  try {
    words = readWords(argv);
  } catch (error) {
    stderr.write(`${name}: ${reasonOf(error)}\n`);
    stdout.write(usage(name));
    return 1;
  }
  const { values, positionals } = words;
  if (values.version) {
    stdout.write(`knock ${packageVersion()} (postern)\n`);
    return 0;
  }
  if (values.help || positionals.length < 2) {
    stdout.write(usage(name));
    return 1;
  }
  try {
    await knock(optionsOf(words, command));
    return 0;
  } catch (error) {
    stderr.write(`${name}: ${reasonOf(error)}\n`);
    return 1;
  }
}

type Words = ReturnType<typeof readWords>;

function readWords(argv: readonly string[]) {
  return parseArgs({
    args: joinDelay(argv),
    allowPositionals: true,
    options: {
      udp: { type: 'boolean', short: 'u' },
      delay: { type: 'string', short: 'd' },
      ipv4: { type: 'boolean', short: '4' },
      ipv6: { type: 'boolean', short: '6' },
      verbose: { type: 'boolean', short: 'v' },
      version: { type: 'boolean', short: 'V' },
      help: { type: 'boolean', short: 'h' },
    },
  });
}

/** `-d -5` is a delay of -5 (and an error of its own), not two options. */
function joinDelay(argv: readonly string[]): string[] {
  const at = argv.findIndex((word) => word === '-d' || word === '--delay');
  const value = argv[at + 1];
  if (at < 0 || value === undefined) return [...argv];
  return [...argv.slice(0, at), `--delay=${value}`, ...argv.slice(at + 2)];
}

function optionsOf({ values, positionals }: Words, command: KnockCommand): KnockOptions {
  const [host = '', ...hits] = positionals;
  const parsed = hits.map((hit, index) => {
    const knock = parseHit(hit, index + 1, 'tcp');
    return values.udp ? { ...knock, protocol: 'udp' as const } : knock;
  });
  return {
    host,
    hits: parsed,
    delayMs: delayOf(values.delay, command.defaultDelayMs),
    // Of both, knock(1) takes the last; nobody means that.
    ...(values.ipv6 ? { family: 6 as const } : values.ipv4 && { family: 4 as const }),
    ...(values.verbose && {
      onHit: ({ protocol, port }, address) =>
        command.stdout.write(`hitting ${protocol} ${address}:${port}\n`),
    }),
  };
}

function delayOf(text: string | undefined, fallbackMs: number): number {
  if (text === undefined) return fallbackMs;
  const delayMs = Number(text);
  if (delayMs < 0) throw new Error('delay cannot be negative');
  if (!/^\d{1,9}$/.test(text)) throw new Error('delay must be a number of milliseconds');
  return delayMs;
}

function usage(name: string): string {
  return `usage: ${name} [options] <host> <port[:proto]> [port[:proto]] ...
options:
  -u, --udp            make all ports hits use UDP (default is TCP)
  -d, --delay <t>      wait <t> milliseconds between port hits
  -4, --ipv4           Force usage of IPv4
  -6, --ipv6           Force usage of IPv6
  -v, --verbose        be verbose
  -V, --version        display version
  -h, --help           this help

example:  ${name} myserver.example.com 123:tcp 456:udp 789:tcp

`;
}

/** Whether this file is the program that was started, perhaps through a link of npm's. */
function isProgram(): boolean {
  const [, started] = process.argv;
  return started !== undefined && realpathSync(started) === fileURLToPath(import.meta.url);
}

if (isProgram()) {
  process.exitCode = await runKnock(process.argv.slice(2), {
    defaultDelayMs: 0,
    name: 'knock',
    stdout: process.stdout,
    stderr: process.stderr,
  });
}
