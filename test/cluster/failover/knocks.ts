/** Knocks at all doors of all hosts, one after the other, whatever happens to the shared Redis. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { MatchDoor } from '../../../machines/doors.js';
import type { Log } from '../../../src/log/types.js';
import type { Random } from '../../capture/random.js';
import type { BenchHost, Result } from '../hostile/host.js';
import { type DoorName, ONE_TIME } from './doors.js';

const EVERY_MS = 300;

export interface Knock {
  readonly host: string;
  readonly door: DoorName;
  /** Of this knock alone. */
  readonly source: string;
  /** Of a one-time door, what was knocked. */
  readonly sequence?: string;
  /** Monotonic ms. */
  readonly atMs: number;
  answer?: Result['kind'] | 'refused';
  /** From the knock until the log said that it was refused. */
  refusedAfterMs?: number;
}

/** What the log of a host said, and when it refused knocks. */
export class Said {
  readonly counts = new Map<string, number>();
  readonly #refusals = new Map<string, { readonly atMs: number; readonly reason: unknown }>();
  readonly log: Log;

  constructor() {
    const at = (level: keyof Log) => (fields: object, message: string) => {
      if (level === 'debug') return;
      const why = 'why' in fields ? ` (${fields.why})` : '';
      const line = `${level}: ${message}${why}`;
      this.counts.set(line, (this.counts.get(line) ?? 0) + 1);
      if (message !== 'the door was not opened' || !('source' in fields)) return;
      const reason = 'reason' in fields ? fields.reason : undefined;
      this.#refusals.set(String(fields.source), { atMs: performance.now(), reason });
    };
    this.log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  }

  refusedAtMs(source: string): number | undefined {
    return this.#refusals.get(source)?.atMs;
  }

  refusal(source: string): unknown {
    return this.#refusals.get(source)?.reason;
  }
}

export class Knocks {
  /** Since the last `forget`. */
  all: Knock[] = [];
  readonly #underway = new Set<Promise<unknown>>();
  #sources = 0;
  #isOn = false;
  #loop: Promise<void> = Promise.resolve();

  constructor(
    private readonly hosts: readonly BenchHost[],
    private readonly said: ReadonlyMap<string, Said>,
    private readonly random: Random,
  ) {}

  begin(): void {
    this.#isOn = true;
    this.#loop = this.#run();
  }

  /** Resolves when every knock was answered. */
  async pause(): Promise<void> {
    this.#isOn = false;
    await this.#loop;
    await Promise.all(this.#underway);
  }

  forget(): void {
    this.all = [];
  }

  /** Resolves when it was decided about. Undefined: the door listens for nothing. */
  async knock(
    host: BenchHost,
    door: DoorName,
    match = host.listening(door),
  ): Promise<Knock | undefined> {
    if (match === undefined) return undefined;
    const isOneTime = ONE_TIME.some((each) => each === door);
    const knock: Knock = {
      ...{ host: host.name, door, source: this.#newSource(), atMs: performance.now() },
      ...(isOneTime && { sequence: `${door} ${portsOf(match)}` }),
    };
    this.all.push(knock);
    const result = await host.knock(door, knock.source, match);
    knock.answer = result?.kind ?? 'refused';
    const saidAtMs = this.said.get(host.name)?.refusedAtMs(knock.source);
    if (saidAtMs !== undefined) knock.refusedAfterMs = saidAtMs - knock.atMs;
    return knock;
  }

  async #run(): Promise<void> {
    while (this.#isOn) {
      for (const host of this.hosts) {
        for (const door of ['here', 'all', 'once'] as const) this.#start(this.knock(host, door));
      }
      this.#race(this.random.pick(ONE_TIME));
      await sleep(EVERY_MS);
    }
  }

  /** Two hosts hear what each listens for, in the same millisecond. */
  #race(door: DoorName): void {
    const one = this.random.below(this.hosts.length);
    const other = (one + 1 + this.random.below(this.hosts.length - 1)) % this.hosts.length;
    const pair = [this.hosts[one], this.hosts[other]].flatMap((host) => host ?? []);
    const matches = pair.map((host) => host.listening(door));
    for (const [index, host] of pair.entries()) this.#start(this.knock(host, door, matches[index]));
  }

  #start(knock: Promise<unknown>): void {
    this.#underway.add(knock);
    void knock.finally(() => this.#underway.delete(knock));
  }

  #newSource(): string {
    this.#sources += 1;
    const n = this.#sources;
    return `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`;
  }
}

function portsOf({ knocks }: MatchDoor): string {
  return knocks.map(({ port }) => port).join();
}
