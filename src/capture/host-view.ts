/** This host's addresses and listening ports, kept current (M1, M7). */
import type { Knock, Protocol } from '../../machines/types.js';
import { monotonicMs } from '../clock.js';
import { type Addresses, askAddresses, canonical, runningAddresses } from './addresses.js';
import { ANY } from './link.js';
import { listeningTcp, unconnectedUdp } from './listeners.js';
import type { HostView } from './types.js';

export type Listening = Readonly<Record<Protocol, ReadonlySet<number>>>;

const ADDRESSES_EVERY_MS = 500;
const LISTENERS_EVERY_MS = 1000;

/** Where the facts come from; tests give their own. */
export interface HostFacts {
  /** Of the interfaces that are running. */
  addresses(): Addresses;
  /** Of all interfaces; costs a process. */
  ask(): Promise<Addresses>;
  tcp(): Set<number>;
  udp(): Set<number>;
}

const kernel: HostFacts = {
  addresses: runningAddresses,
  ask: askAddresses,
  tcp: listeningTcp,
  udp: unconnectedUdp,
};

/** Between two questions about interfaces that are not running: doubles while nothing changes. */
const ASK_AGAIN_MS = { least: 500, most: 16_000 };

/** Looks at the host again and again, and says what changed. */
export class HostWatch implements HostView {
  readonly #interfaces: readonly string[];
  readonly #facts: HostFacts;
  readonly #onChange: (what: 'addresses' | 'listening') => void;
  #addresses: readonly ReadonlySet<string>[] = [];
  #listening: Listening = { tcp: new Set(), udp: new Set() };
  #udpBefore: ReadonlySet<number> = new Set();
  #timers: NodeJS.Timeout[] = [];
  /** What was last asked, for interfaces that are not running (yet). */
  #asked: Addresses = new Map();
  #asking: Promise<void> | undefined;
  #askAgainMs: number = ASK_AGAIN_MS.least;
  #nextAskMs = 0;

  /** @param interfaces in the order of the sensors; `any` has every address of the host */
  constructor(
    interfaces: readonly string[],
    onChange: (what: 'addresses' | 'listening') => void,
    facts: HostFacts = kernel,
  ) {
    this.#interfaces = interfaces;
    this.#onChange = onChange;
    this.#facts = facts;
    this.#addresses = this.#readAddresses();
    this.#udpBefore = facts.udp();
    this.#listening = { tcp: facts.tcp(), udp: this.#udpBefore };
  }

  isLocal(address: string, interfaceIndex: number): boolean {
    return this.#addresses[interfaceIndex]?.has(address) === true;
  }

  isListening(protocol: Protocol, port: number): boolean {
    return this.#listening[protocol].has(port);
  }

  addressesOf(interfaceIndex: number): readonly string[] {
    return [...(this.#addresses[interfaceIndex] ?? [])];
  }

  get listening(): Listening {
    return this.#listening;
  }

  start(): void {
    this.#timers = [
      setInterval(() => this.checkAddresses(), ADDRESSES_EVERY_MS),
      setInterval(() => this.checkListeners(), LISTENERS_EVERY_MS),
    ];
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers = [];
  }

  /** Asks for the addresses of interfaces that are there and not said to be running. */
  async look(): Promise<void> {
    this.#askAgainMs = ASK_AGAIN_MS.least;
    this.#asking ??= this.#ask();
    await this.#asking;
  }

  checkAddresses(): void {
    const now = this.#readAddresses();
    const running = this.#facts.addresses();
    const isSilent = (name: string) => name === ANY || !running.has(name);
    if (this.#interfaces.some(isSilent) && monotonicMs() >= this.#nextAskMs) {
      this.#asking ??= this.#ask();
    }
    this.#take(now);
  }

  async #ask(): Promise<void> {
    try {
      const before = JSON.stringify([...this.#asked]);
      this.#asked = await this.#facts.ask();
      const isNews = JSON.stringify([...this.#asked]) !== before;
      const longer = Math.min(this.#askAgainMs * 2, ASK_AGAIN_MS.most);
      this.#askAgainMs = isNews ? ASK_AGAIN_MS.least : longer;
    } finally {
      this.#asking = undefined;
      this.#nextAskMs = monotonicMs() + this.#askAgainMs;
    }
    this.#take(this.#readAddresses());
  }

  #take(now: readonly ReadonlySet<string>[]): void {
    if (now.every((set, index) => sameSet(set, this.#addresses[index] ?? new Set()))) return;
    this.#addresses = now;
    this.#onChange('addresses');
  }

  /** A UDP port counts once it was seen twice in a row: clients hold theirs for a moment only. */
  checkListeners(): void {
    const udpNow = this.#facts.udp();
    const before = this.#udpBefore;
    const now = {
      tcp: this.#facts.tcp(),
      udp: new Set([...udpNow].filter((port) => before.has(port))),
    };
    this.#udpBefore = udpNow;
    if (sameSet(now.tcp, this.#listening.tcp) && sameSet(now.udp, this.#listening.udp)) return;
    this.#listening = now;
    this.#onChange('listening');
  }

  #readAddresses(): readonly ReadonlySet<string>[] {
    const all = new Map([...this.#asked, ...this.#facts.addresses()]);
    return this.#interfaces.map(
      (name) => new Set(name === ANY ? [...all.values()].flat() : (all.get(name) ?? [])),
    );
  }
}

/** A host whose addresses and listeners were given, for replay and tests. */
export function fixedHost(options: {
  /** Any text form; the same for every interface. */
  readonly addresses: readonly string[];
  readonly listening?: readonly Knock[];
}): HostView {
  const addresses = new Set(options.addresses.map(canonical));
  const listening = new Set(options.listening?.map((at) => `${at.protocol}/${at.port}`));
  return {
    isLocal: (address) => addresses.has(address),
    isListening: (protocol, port) => listening.has(`${protocol}/${port}`),
  };
}

function sameSet<T>(a: ReadonlySet<T>, b: ReadonlySet<T>): boolean {
  return a.size === b.size && [...a].every((value) => b.has(value));
}
