/** A capture that runs in a namespace, as tests see it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, cpSync, mkdtempSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Packet } from '../../machines/types.js';
import type { CaptureOptions, CapturePlan, SensorStatus } from '../../src/capture/types.js';

/** Where the compiled project lies. */
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const HARNESS = relative(ROOT, fileURLToPath(new URL('./harness.js', import.meta.url)));

/**
 * Copies the compiled project, as far as capturing takes it, to a folder of its own, whose mode says
 * who may enter. The caller removes it.
 */
export function installCopy(mode: number): string {
  const root = mkdtempSync(join(tmpdir(), 'postern-copy-'));
  for (const part of ['src', 'machines', 'config', 'test/capture'])
    cpSync(join(ROOT, part), join(root, part), { recursive: true });
  const modules = resolve(createRequire(import.meta.url).resolve('cap'), '../../..');
  for (const name of ['cap', 'rxjs', 'tslib', 'ipaddr.js'])
    cpSync(join(modules, name), join(root, 'node_modules', name), { recursive: true });
  writeFileSync(join(root, 'package.json'), '{"type":"module"}');
  chmodSync(root, mode);
  return root;
}

export interface Message {
  readonly packet?: Packet;
  readonly local?: boolean;
  readonly status?: readonly SensorStatus[];
  readonly log?: { readonly level: string; readonly text: string };
  readonly started?: boolean;
  readonly planned?: boolean;
  readonly stopped?: boolean;
  readonly error?: string;
}

export interface Place {
  /** Where the compiled project lies. */
  readonly root?: string;
  /** What its command line begins with. */
  readonly prefix?: readonly string[];
}

export class RunningCapture {
  readonly child: ChildProcess;
  readonly messages: Message[] = [];
  #listeners = new Set<() => void>();

  constructor(namespace: string, options: CaptureOptions, place: Place = {}) {
    const harness = join(place.root ?? ROOT, HARNESS);
    const argv = [...(place.prefix ?? []), process.execPath, harness];
    this.child = spawn('ip', ['netns', 'exec', namespace, ...argv], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, CAPTURE: JSON.stringify(options) },
    });
    if (this.child.stdout === null) throw new Error('no pipe');
    createInterface(this.child.stdout).on('line', (line) => {
      this.messages.push(JSON.parse(line));
      for (const listener of this.#listeners) listener();
    });
  }

  get packets(): Packet[] {
    return this.messages.flatMap(({ packet }) => packet ?? []);
  }

  /** Whether a packet to that port and address was captured. */
  has(port: number, address: string): boolean {
    return this.packets.some((one) => one.port === port && one.destination === address);
  }

  get status(): readonly SensorStatus[] {
    return this.messages.findLast(({ status }) => status !== undefined)?.status ?? [];
  }

  /** Resolves once the condition holds; rejects after `timeoutMs` with what was seen last. */
  async until(what: string, condition: () => boolean, timeoutMs = 5000): Promise<void> {
    if (condition()) return;
    await new Promise<void>((resolve, reject) => {
      const end = (error?: Error) => {
        clearTimeout(timer);
        this.#listeners.delete(listener);
        if (error === undefined) resolve();
        else reject(error);
      };
      const listener = () => condition() && end();
      const last = () => JSON.stringify(this.messages.slice(-5));
      const timer = setTimeout(() => end(new Error(`waited for ${what}: ${last()}`)), timeoutMs);
      this.#listeners.add(listener);
    });
  }

  state(wanted: SensorStatus['state'], timeoutMs?: number): Promise<void> {
    return this.until(wanted, () => this.status.every(({ state }) => state === wanted), timeoutMs);
  }

  started(): Promise<void> {
    return this.until('start', () => this.messages.some(({ started }) => started === true));
  }

  async setPlan(plan: CapturePlan): Promise<void> {
    const count = () => this.messages.filter(({ planned }) => planned === true).length;
    const before = count();
    this.child.stdin?.write(`${JSON.stringify(plan)}\n`);
    await this.until('plan', () => count() > before);
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.stdin?.end();
    await ended;
  }
}
