/** This host's addresses and listening ports, kept current (M1, M7). */
import os from 'node:os';
import ipaddr from 'ipaddr.js';
import type { Knock, Protocol } from '../../machines/types.js';
import { addressText } from './address.js';
import { ANY } from './link.js';
import { listeningTcp, unconnectedUdp } from './listeners.js';
import type { HostView } from './types.js';

export type Listening = Readonly<Record<Protocol, ReadonlySet<number>>>;

const ADDRESSES_EVERY_MS = 500;
const LISTENERS_EVERY_MS = 1000;

/** Where the facts come from; tests give their own. */
export interface HostFacts {
  /** Canonical addresses by interface name. */
  addresses(): ReadonlyMap<string, readonly string[]>;
  tcp(): Set<number>;
  udp(): Set<number>;
}

const kernel: HostFacts = { addresses: readAddresses, tcp: listeningTcp, udp: unconnectedUdp };

/** Looks at the host again and again, and says what changed. */
export class HostWatch implements HostView {
  readonly #interfaces: readonly string[];
  readonly #facts: HostFacts;
  readonly #onChange: (what: 'addresses' | 'listening') => void;
  #addresses: readonly ReadonlySet<string>[] = [];
  #listening: Listening = { tcp: new Set(), udp: new Set() };
  #udpBefore: ReadonlySet<number> = new Set();
  #timers: NodeJS.Timeout[] = [];

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

  checkAddresses(): void {
    const now = this.#readAddresses();
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
    const all = this.#facts.addresses();
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

/** `eth0:1`, the label of a further IPv4 address, is eth0. */
function readAddresses(): ReadonlyMap<string, readonly string[]> {
  const byName = new Map<string, string[]>();
  for (const [label, infos] of Object.entries(os.networkInterfaces())) {
    const name = label.replace(/:.*$/, '');
    const own = byName.get(name) ?? [];
    byName.set(name, own);
    for (const { address } of infos ?? []) own.push(canonical(address));
  }
  return byName;
}

function canonical(address: string): string {
  // No packet carries the zone of a link-local address.
  const parsed = ipaddr.parse(address.replace(/%.*$/, ''));
  const v6 = parsed.kind() === 'ipv6' ? parsed : ipaddr.parse(`::ffff:${parsed.toString()}`);
  return addressText(Uint8Array.from(v6.toByteArray()));
}

function sameSet<T>(a: ReadonlySet<T>, b: ReadonlySet<T>): boolean {
  return a.size === b.size && [...a].every((value) => b.has(value));
}
