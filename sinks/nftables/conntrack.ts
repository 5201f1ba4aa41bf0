/** `kill_established`: connections that are up end with the grant. */

import { reasonOf } from '../../src/errors.js';
import type { Log } from '../../src/log/types.js';
import { type Element, familyOf } from './element.js';
import { type Output, runProgram } from './exec.js';
import { isInstalled } from './programs.js';

export class Conntrack {
  #told = false;

  constructor(
    private readonly command: readonly [string, ...string[]],
    private readonly log: Log,
  ) {}

  /** Forgets the connections of these elements. Never throws: the door is closed already. */
  async end(elements: readonly Element[]): Promise<void> {
    if (elements.length === 0 || !this.#isThere()) return;
    for (const element of elements) {
      try {
        for (const port of await this.#portsOf(element)) await this.#delete(element, port);
      } catch (error) {
        this.log.warn(
          { reason: reasonOf(error), source: element.source },
          'established connections could not be ended',
        );
      }
    }
  }

  #isThere(): boolean {
    const there = isInstalled(this.command[0]);
    if (!there && !this.#told)
      this.log.warn(
        {},
        'kill_established has no effect: conntrack is not installed (apt-get install conntrack)',
      );
    this.#told ||= !there;
    return there;
  }

  async #delete(element: Element, port: number): Promise<void> {
    const output = await this.#conntrack('-D', element, ['--dport', String(port)]);
    // Its exit code is 1 also when there was no such connection.
    if (output.code !== 0 && !/\b0 flow entries/.test(output.stderr)) throw failure(output);
  }

  /** conntrack deletes by one port only: those of a range that have connections. */
  async #portsOf(element: Element): Promise<readonly number[]> {
    const { from, to } = element.ports;
    if (from === to) return [from];
    const output = await this.#conntrack('-L', element, []);
    if (output.code !== 0) throw failure(output);
    const found = [...output.stdout.matchAll(/^.*?\bdport=(\d+)/gm)].map(([, port]) =>
      Number(port),
    );
    return [...new Set(found)].filter((port) => port >= from && port <= to);
  }

  #conntrack(
    verb: '-D' | '-L',
    { source, ports }: Element,
    more: readonly string[],
  ): Promise<Output> {
    const family = familyOf(source) === 4 ? 'ipv4' : 'ipv6';
    const words = ['-f', family, '-s', source, '-p', ports.protocol];
    return runProgram([...this.command, verb, ...words, ...more]);
  }
}

function failure({ code, stderr }: Output): Error {
  return new Error(`conntrack ended with ${code}: ${stderr.trim().slice(0, 200)}`);
}
