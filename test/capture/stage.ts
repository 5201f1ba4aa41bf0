/** Captures in a network namespace, for the tests of one suite; each is stopped after its test. */
import type { CaptureOptions, CapturePlan } from '../../src/capture/types.js';
import { createNetwork, type Network } from '../support/netns.js';
import { requireRoot } from '../support/root.js';
import { mustRun } from '../support/run.js';
import { type Place, RunningCapture } from './running.js';
import { type Job, send } from './traffic.js';

export const DOOR = {
  knocks: [
    { port: 47_001, protocol: 'tcp' },
    { port: 47_002, protocol: 'udp' },
  ],
  tcpFlags: { required: 2, excluded: 16 },
} as const;
export const PLAN: CapturePlan = { doors: [DOOR], strays: true };

export class Stage {
  #network: Network | undefined;
  readonly #running: RunningCapture[] = [];

  /** Registers the hooks of the suite it is called in. */
  constructor() {
    const stage = this;
    before(async function () {
      requireRoot(this);
      stage.#network = await createNetwork();
    });
    afterEach(() => this.#stopAll());
    after(() => this.#network?.dispose());
  }

  get network(): Network {
    if (this.#network === undefined) throw new Error('no network yet');
    return this.#network;
  }

  /** A capture on the server's interface that has started, unless told otherwise. */
  async capture(more: Partial<CaptureOptions> = {}, place: Place = {}): Promise<RunningCapture> {
    const one = this.launch(more, place);
    await one.started();
    return one;
  }

  /** The same, without waiting for it. */
  launch(more: Partial<CaptureOptions> = {}, place: Place = {}): RunningCapture {
    const interfaces = [this.network.interfaces.server];
    const defaults = { interfaces, plan: PLAN, bufferBytes: 4 << 20, user: 'nobody' };
    const { server } = this.network.namespaces;
    const one = new RunningCapture(server, { ...defaults, ...more }, place);
    this.#running.push(one);
    return one;
  }

  /** Sends from the client's side. */
  async to(address: string, job: Omit<Job, 'address'>): Promise<void> {
    await send(this.network, { address, ...job });
  }

  /** `ip` on the server's side. */
  async ipServer(...argv: string[]): Promise<void> {
    await mustRun(['ip', '-n', this.network.namespaces.server, ...argv]);
  }

  /** Sends a datagram again and again until one is captured; gives the milliseconds it took. */
  async heard(one: RunningCapture, address: string, port: number): Promise<number> {
    const began = performance.now();
    const sending = this.to(address, { ports: Array(20).fill(port), everyMs: 50 });
    await one.until(`${address} ${port}`, () => one.has(port, address));
    const ms = performance.now() - began;
    await sending;
    return ms;
  }

  async #stopAll(): Promise<void> {
    await Promise.all(this.#running.splice(0).map((one) => one.stop()));
  }
}
