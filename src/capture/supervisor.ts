/**
 * Keeps one sensor alive: starts it once its interface is there, starts it again when it dies, and
 * hands on what it captures. `cap` aborts its process when a link goes down, so dying is normal.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Packet } from '../../machines/types.js';
import { monotonicMs } from '../clock.js';
import type { Log } from '../log/types.js';
import { CHANNEL_FD, hearChannel, sayOnChannel } from './channel.js';
import { absenceOf } from './link.js';
import { type OpenMessage, parseSensorMessage, type SensorStats } from './messages.js';
import { RecordDecoder } from './record.js';
import { capMissing } from './rights.js';
import { Talk } from './talk.js';
import type { SensorStatus } from './types.js';

export interface SupervisorOptions {
  readonly interface: string;
  readonly interfaceIndex: number;
  readonly bufferBytes: number;
  /** The sensor's command line, from `sensorCommand`. */
  readonly argv: readonly [string, ...string[]];
  readonly log: Log;
  readonly onPacket: (packet: Packet) => void;
  /** Called after every change of `status`. */
  readonly onStatus: () => void;
}

const LOOK_EVERY_MS = 100;
/** An interface that looks down is tried all the same this often: /sys may be another namespace's. */
const TRY_ANYWAY_MS = 2000;
const BACKOFF_MS = { least: 100, most: 2000 };
/** A sensor that lived this long was well: the next one need not wait long. */
const WELL_MS = 2000;
/** Under a flood the sensor may hear nothing; one that does not answer is replaced. */
const ANSWER_MS = { first: 10_000, later: 2000 };

type State = SensorStatus['state'];

const NOTHING_YET: SensorStats = { frames: 0, malformed: 0, records: 0, dropped: 0 };

export class SensorSupervisor {
  readonly #options: SupervisorOptions;
  readonly #stopping = new AbortController();
  #filter = '';
  #requests = 0;
  #child: ChildProcess | undefined;
  #running: Promise<void> = Promise.resolve();
  #waiters: { readonly id: number; readonly done: () => void }[] = [];
  #onSettled: { resolve(): void; reject(error: Error): void } | undefined;
  #state: State = 'starting';
  #reason: string | undefined;
  /** What the present sensor said about why it cannot capture, and the last of its stderr. */
  #failure: string | undefined;
  #complaint = '';
  #starts = 0;
  /** Of sensors that are gone, and of the present one. */
  #past: SensorStats = NOTHING_YET;
  #present: SensorStats = this.#past;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  get status(): SensorStatus {
    const past = this.#past;
    const present = this.#present;
    const pid = this.#child?.pid;
    return {
      interface: this.#options.interface,
      state: this.#state,
      ...(pid === undefined ? {} : { pid }),
      ...(this.#reason === undefined ? {} : { reason: this.#reason }),
      restarts: Math.max(0, this.#starts - 1),
      frames: past.frames + present.frames,
      malformed: past.malformed + present.malformed,
      records: past.records + present.records,
      dropped: past.dropped + present.dropped,
    };
  }

  /**
   * Resolves once it captures, or waits for its interface.
   * @throws PosternError POSTERN_E_CAPTURE when `cap` cannot be loaded
   */
  start(filter: string): Promise<void> {
    this.#filter = filter;
    return new Promise((resolve, reject) => {
      this.#onSettled = { resolve, reject };
      this.#running = this.#run();
    });
  }

  /** Resolves once the new filter is at work, or will be with the next start of the sensor. */
  setFilter(filter: string): Promise<void> {
    if (filter === this.#filter) return Promise.resolve();
    this.#filter = filter;
    return this.#child === undefined
      ? Promise.resolve()
      : this.#requestOpen(this.#child, ANSWER_MS.later);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#child?.kill('SIGKILL');
    await this.#running;
    this.#become('stopped');
  }

  async #run(): Promise<void> {
    let backoffMs = 0;
    while (!this.#stopping.signal.aborted) {
      await this.#sleep(backoffMs);
      await this.#interfaceThere();
      if (this.#stopping.signal.aborted) return;
      const bornMs = monotonicMs();
      await this.#live();
      const well = monotonicMs() - bornMs >= WELL_MS;
      const longer = Math.min(backoffMs * 2, BACKOFF_MS.most);
      backoffMs = well ? BACKOFF_MS.least : Math.max(BACKOFF_MS.least, longer);
      // Gone with its link: what comes next is the link's return, not another failure.
      if (absenceOf(this.#options.interface) !== undefined) backoffMs = 0;
    }
  }

  async #interfaceThere(): Promise<void> {
    const untilMs = monotonicMs() + TRY_ANYWAY_MS;
    while (!this.#stopping.signal.aborted) {
      const absence = absenceOf(this.#options.interface);
      if (absence === undefined) return;
      if (!absence.certain && monotonicMs() > untilMs) return;
      this.#become('waiting', absence.reason);
      await this.#sleep(LOOK_EVERY_MS);
    }
  }

  /** One sensor's life, from its start to its end. */
  async #live(): Promise<void> {
    const [command, ...argv] = this.#options.argv;
    const child = spawn(command, argv, {
      // The last one is the channel: on Unix a pair of sockets, read and written on both ends.
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
      cwd: '/',
      // A group of its own: Ctrl-C on a terminal is for the core, which ends its sensors.
      detached: true,
    });
    this.#child = child;
    this.#starts += 1;
    this.#failure = undefined;
    this.#complaint = '';
    if (this.#state !== 'waiting') this.#become('starting', this.#reason);
    // Another pid, and perhaps nothing else.
    this.#options.onStatus();
    this.#listenTo(child);
    const ended = new Promise<string>((resolve) => {
      child.on('error', (error) => resolve(error.message));
      child.once('close', (code, signal) => {
        const how = `sensor ended (${signal ?? `code ${code}`})`;
        resolve(this.#complaint === '' ? how : `${how}: ${this.#complaint}`);
      });
    });
    void this.#requestOpen(child, ANSWER_MS.first);
    this.#bury(await ended);
  }

  #bury(how: string): void {
    const { frames, malformed, records, dropped } = this.status;
    this.#past = { frames, malformed, records, dropped };
    this.#present = NOTHING_YET;
    this.#child = undefined;
    this.#answered(Number.POSITIVE_INFINITY);
    if (this.#stopping.signal.aborted) return;
    const absence = absenceOf(this.#options.interface)?.reason ?? this.#failure;
    if (absence === undefined) this.#become('starting', how);
    else this.#become('waiting', absence);
    this.#onSettled?.resolve();
  }

  #listenTo(child: ChildProcess): void {
    const { interface: name, interfaceIndex, log, onPacket } = this.#options;
    const decoder = new RecordDecoder({ interfaceIndex, now: monotonicMs, onPacket });
    const talk = new Talk();
    let isWell = true;
    const replace = (why: string) => {
      if (isWell) log.error({ interface: name, pid: child.pid }, `sensor ${why}: replaced`);
      isWell = false;
      child.kill('SIGKILL');
    };
    const isHeard = () => {
      if (isWell && talk.isTooMuch(monotonicMs())) replace('says too much');
      return isWell;
    };
    child.stdout?.on('data', (chunk: Buffer) => {
      if (!isWell) return;
      decoder.push(chunk);
      if (decoder.invalid > 0) replace('sent what is no record');
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      if (!isHeard()) return;
      const text = chunk.toString('utf8', 0, 500).trim();
      this.#complaint = text.split('\n').at(-1)?.slice(0, 200) ?? '';
      log.debug({ interface: name, pid: child.pid, text }, 'sensor says');
    });
    const channel = channelOf(child);
    if (channel === undefined) return;
    hearChannel(channel, {
      from: 'fromSensor',
      onMessage: (message) => {
        if (isHeard() && child === this.#child) this.#hear(message);
      },
      onNonsense: () => replace('sent what is no message'),
    });
  }

  #hear(value: unknown): void {
    const message = parseSensorMessage(value);
    if (message === undefined) return;
    if ('stats' in message) {
      this.#present = message.stats;
      this.#options.onStatus();
    } else if ('listening' in message) {
      // What it has said so far were warnings.
      this.#complaint = '';
      // A newer filter is on its way: it does not listen yet to what it should.
      if (message.listening.id === this.#requests) this.#become('listening');
      this.#answered(message.listening.id);
    } else if (message.failed.missing) {
      this.#onSettled?.reject(capMissing(message.failed.reason));
    } else {
      this.#failure = message.failed.reason;
    }
  }

  async #requestOpen(child: ChildProcess, patienceMs: number): Promise<void> {
    this.#requests += 1;
    const id = this.#requests;
    const message: OpenMessage = {
      open: {
        id,
        interface: this.#options.interface,
        filter: this.#filter,
        bufferBytes: this.#options.bufferBytes,
      },
    };
    const answer = new Promise<void>((done) => this.#waiters.push({ id, done }));
    const channel = channelOf(child);
    // An error means that it is gone; its end is heard elsewhere.
    if (channel !== undefined) sayOnChannel(channel, message);
    const impatience = setTimeout(() => {
      const { log, interface: name } = this.#options;
      log.warn({ interface: name, pid: child.pid }, 'sensor does not answer: replaced');
      child.kill('SIGKILL');
    }, patienceMs);
    await answer;
    clearTimeout(impatience);
  }

  /** A request that a later one overtook counts as answered with it. */
  #answered(id: number): void {
    for (const waiter of this.#waiters) if (waiter.id <= id) waiter.done();
    this.#waiters = this.#waiters.filter((waiter) => waiter.id > id);
  }

  #become(state: State, reason?: string): void {
    if (state === this.#state && reason === this.#reason) return;
    this.#state = state;
    this.#reason = reason;
    const { log, interface: name, onStatus } = this.#options;
    const fields = { interface: name, state, ...(reason === undefined ? {} : { reason }) };
    if (state === 'waiting') log.warn(fields, 'sensor waits');
    else log.info(fields, `sensor ${state}`);
    onStatus();
    if (state !== 'starting') this.#onSettled?.resolve();
  }

  async #sleep(ms: number): Promise<void> {
    // Aborted by stop: the caller looks.
    await delay(ms, undefined, { signal: this.#stopping.signal }).catch(() => {});
  }
}

/** Undefined where there was no process to make. */
function channelOf(child: ChildProcess): Socket | undefined {
  const channel = child.stdio[CHANNEL_FD];
  return channel instanceof Socket ? channel : undefined;
}
