/** The supervised sensors of one host, as one stream of packets. */
import { BehaviorSubject, Subject } from 'rxjs';
import type { Packet } from '../../machines/types.js';
import { PosternError } from '../errors.js';
import type { Log } from '../log/types.js';
import { captureFilter } from './filter.js';
import { HostWatch } from './host-view.js';
import { isEthernet } from './link.js';
import { canCapture, sensorCommand } from './rights.js';
import { SensorSupervisor } from './supervisor.js';
import type { Capture, CaptureOptions, CapturePlan, SensorStatus } from './types.js';

/** A listener that comes or goes changes only how much is captured, so filters follow at leisure. */
const LISTENERS_SETTLE_MS = 2000;

/** A capture that is not running yet. */
export interface StartableCapture extends Capture {
  /**
   * Resolves once every sensor captures or waits for its interface.
   * @throws PosternError POSTERN_E_CAPTURE: no right to capture, `cap` not built, no such user
   */
  start(): Promise<void>;
}

export function createCapture(options: CaptureOptions & { readonly log: Log }): StartableCapture {
  return new SensorGroup(options);
}

class SensorGroup implements StartableCapture {
  readonly packets$ = new Subject<Packet>();
  readonly status$ = new BehaviorSubject<readonly SensorStatus[]>([]);
  readonly host: HostWatch;
  readonly #options: CaptureOptions & { readonly log: Log };
  #plan: CapturePlan;
  #sensors: readonly SensorSupervisor[] = [];
  #settling: NodeJS.Timeout | undefined;
  /** The sensors' states when the addresses were last asked for. */
  #states = '';

  constructor(options: CaptureOptions & { readonly log: Log }) {
    this.#options = options;
    this.#plan = options.plan;
    this.host = new HostWatch(options.interfaces, (what) => this.#hostChanged(what));
  }

  async start(): Promise<void> {
    const right = canCapture();
    if (!right.ok) throw new PosternError('POSTERN_E_CAPTURE', right.message);
    const { interfaces, bufferBytes, user, log } = this.#options;
    const { argv, warning } = sensorCommand(user);
    if (warning !== undefined) log.warn({}, warning);
    this.#sensors = interfaces.map((name, interfaceIndex) => {
      const onPacket = (packet: Packet) => this.packets$.next(packet);
      const onStatus = () => this.#statusChanged();
      return new SensorSupervisor({
        ...{ interface: name, interfaceIndex, bufferBytes, argv, log },
        ...{ onPacket, onStatus },
      });
    });
    await this.host.look();
    this.host.start();
    try {
      await Promise.all(this.#sensors.map((sensor, i) => sensor.start(this.#filter(i))));
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  status(): readonly SensorStatus[] {
    return this.#sensors.map((sensor) => sensor.status);
  }

  async setPlan(plan: CapturePlan): Promise<void> {
    this.#plan = plan;
    await this.#applyFilters();
  }

  async stop(): Promise<void> {
    this.host.stop();
    clearTimeout(this.#settling);
    await Promise.all(this.#sensors.map((sensor) => sensor.stop()));
    this.packets$.complete();
    this.status$.complete();
  }

  #statusChanged(): void {
    const statuses = this.status();
    this.status$.next(statuses);
    const states = statuses.map(({ state, pid }) => `${state} ${pid}`).join();
    if (states === this.#states) return;
    this.#states = states;
    // A link that returns has its addresses again; they are known before its sensor opens it.
    void this.host.look();
  }

  #hostChanged(what: 'addresses' | 'listening'): void {
    if (what === 'addresses') void this.#applyFilters();
    else
      this.#settling ??= setTimeout(() => {
        this.#settling = undefined;
        void this.#applyFilters();
      }, LISTENERS_SETTLE_MS);
  }

  /** Never rejects: a sensor that fails is started again, with the new filter. */
  async #applyFilters(): Promise<void> {
    await Promise.all(this.#sensors.map((sensor, i) => sensor.setFilter(this.#filter(i))));
  }

  #filter(interfaceIndex: number): string {
    return captureFilter({
      plan: this.#plan,
      addresses: this.host.addressesOf(interfaceIndex),
      listening: this.host.listening,
      ethernet: isEthernet(this.#options.interfaces[interfaceIndex] ?? ''),
    });
  }
}
