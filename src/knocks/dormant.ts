/**
 * The dormant table (DESIGN 4): sources of which one packet is remembered and nothing more. Typed
 * arrays, some 50 bytes a source: a flood of spoofed first knocks fills it and pushes out its own
 * oldest, and memory is given back when it ebbs. A source's next relevant packet wakes it.
 */
import type { Packet } from '../../machines/types.js';
import { LatestWords, wordsText } from './address-words.js';

/** A remembered packet, as it goes into the machine that it wakes. */
export interface DormantPacket {
  /** What it was when it came in, whatever its port is in a later table. */
  readonly type: 'KNOCK' | 'STRAY';
  readonly packet: Packet;
  readonly local: boolean;
  /** The door table's generation when it came in (M11). */
  readonly generation: number;
}

const SMALLEST = 1024;
const EMPTY = 0xffffffff;

/** Columns of the records, and the open-addressing index into them, for one capacity. */
class Columns {
  readonly key: Uint32Array;
  readonly atMs: Float64Array;
  readonly sequence: Uint32Array;
  readonly generation: Uint32Array;
  readonly port: Uint16Array;
  readonly sourcePort: Uint16Array;
  readonly destination: Uint16Array;
  /** TCP flag bits, 64 for UDP, 128 for a destination of this host's. */
  readonly bits: Uint8Array;
  readonly interfaceIndex: Uint8Array;
  /** 1 for a knock, 0 for a stray. */
  readonly knock: Uint8Array;
  /** 1 while the slot holds a record. */
  readonly live: Uint8Array;
  /** Slot by hash; twice as large as the columns. */
  readonly index: Uint32Array;
  constructor(readonly capacity: number) {
    this.key = new Uint32Array(capacity * 4);
    this.atMs = new Float64Array(capacity);
    this.sequence = new Uint32Array(capacity);
    this.generation = new Uint32Array(capacity);
    this.port = new Uint16Array(capacity);
    this.sourcePort = new Uint16Array(capacity);
    this.destination = new Uint16Array(capacity);
    this.bits = new Uint8Array(capacity);
    this.interfaceIndex = new Uint8Array(capacity);
    this.knock = new Uint8Array(capacity);
    this.live = new Uint8Array(capacity);
    this.index = new Uint32Array(capacity * 2).fill(EMPTY);
  }
}

/** Records in a ring, oldest at `#head`: insertion and eviction are O(1). */
export class DormantTable {
  #columns: Columns;
  #head = 0;
  /** Slots between head and tail, with those that were woken since. */
  #span = 0;
  #size = 0;
  readonly #seed = Math.floor(Math.random() * 0x7fffffff);
  /** Destinations that are a door's target; records hold their number. */
  readonly #destinations: string[] = [''];
  readonly #smallest: number;
  /** More slots than sources: those of woken ones are gathered up a quarter of the table at a time. */
  readonly #largest: number;

  constructor(
    readonly maxSources: number,
    private readonly words = new LatestWords(),
  ) {
    this.#largest = maxSources + Math.ceil(maxSources / 4);
    this.#smallest = Math.min(SMALLEST, this.#largest);
    this.#columns = new Columns(this.#smallest);
  }

  get size(): number {
    return this.#size;
  }

  /** Records there is room for without growing. */
  get capacity(): number {
    return this.#columns.capacity;
  }

  /** Remembers the packet. True if the oldest record had to go for it. */
  add({ type, packet, local, generation }: DormantPacket, isTarget: boolean): boolean {
    const evicted = this.#size === this.maxSources;
    if (evicted) this.#removeOldest();
    this.#skipWoken();
    if (this.#span === this.#columns.capacity) this.#makeRoom();
    const columns = this.#columns;
    const slot = (this.#head + this.#span) % columns.capacity;
    this.#span++;
    this.#size++;
    columns.key.set(this.words.of(packet.source), slot * 4);
    columns.atMs[slot] = packet.atMs;
    columns.sequence[slot] = packet.sequence;
    columns.generation[slot] = generation;
    columns.port[slot] = packet.port;
    columns.sourcePort[slot] = packet.sourcePort;
    columns.destination[slot] = isTarget ? this.#destinationNumber(packet.destination) : 0;
    columns.bits[slot] = packet.flags | (packet.protocol === 'udp' ? 64 : 0) | (local ? 128 : 0);
    columns.interfaceIndex[slot] = packet.interfaceIndex;
    columns.knock[slot] = type === 'KNOCK' ? 1 : 0;
    columns.live[slot] = 1;
    this.#link(slot);
    return evicted;
  }

  /** Takes the source's record out of the table. */
  wake(source: string): DormantPacket | undefined {
    if (this.#size === 0) return undefined;
    const place = this.#find(this.words.of(source));
    if (place === undefined) return undefined;
    const slot = this.#columns.index[place] ?? EMPTY;
    const remembered = this.#recordAt(slot);
    this.#unlink(place);
    this.#columns.live[slot] = 0;
    this.#size--;
    return remembered;
  }

  /** Monotonic ms at which the oldest record came in; Infinity when there is none. */
  oldestMs(): number {
    this.#skipWoken();
    return this.#size === 0
      ? Number.POSITIVE_INFINITY
      : (this.#columns.atMs[this.#head] ?? Number.POSITIVE_INFINITY);
  }

  /** Forgets the records that came in before `beforeMs`, oldest first, and gives memory back. */
  expire(beforeMs: number, onExpired: (record: DormantPacket) => void): void {
    while (this.#size > 0 && this.oldestMs() <= beforeMs) {
      onExpired(this.#recordAt(this.#head));
      this.#removeOldest();
    }
    const { capacity } = this.#columns;
    if (capacity > this.#smallest && this.#size < capacity / 8) {
      this.#resize(Math.max(this.#smallest, this.#size * 2));
    }
  }

  /** Grows, or where enough slots are those of woken records, closes the gaps: O(1) an insertion. */
  #makeRoom(): void {
    const { capacity } = this.#columns;
    const isGappy = this.#size <= capacity / 2 || capacity === this.#largest;
    this.#resize(isGappy ? capacity : Math.min(capacity * 2, this.#largest));
  }

  #destinationNumber(destination: string): number {
    const known = this.#destinations.indexOf(destination);
    if (known >= 0) return known;
    if (this.#destinations.length > 0xffff) return 0;
    return this.#destinations.push(destination) - 1;
  }

  #recordAt(slot: number): DormantPacket {
    const c = this.#columns;
    const bits = c.bits[slot] ?? 0;
    return {
      type: c.knock[slot] === 1 ? 'KNOCK' : 'STRAY',
      local: (bits & 128) !== 0,
      generation: c.generation[slot] ?? 0,
      packet: {
        atMs: c.atMs[slot] ?? 0,
        source: wordsText(c.key.subarray(slot * 4, slot * 4 + 4)),
        destination: this.#destinations[c.destination[slot] ?? 0] ?? '',
        protocol: (bits & 64) === 0 ? 'tcp' : 'udp',
        sourcePort: c.sourcePort[slot] ?? 0,
        port: c.port[slot] ?? 0,
        flags: bits & 63,
        sequence: c.sequence[slot] ?? 0,
        interfaceIndex: c.interfaceIndex[slot] ?? 0,
      },
    };
  }

  #skipWoken(): void {
    const { live, capacity } = this.#columns;
    while (this.#span > 0 && live[this.#head] === 0) {
      this.#head = (this.#head + 1) % capacity;
      this.#span--;
    }
  }

  #removeOldest(): void {
    const columns = this.#columns;
    const place = this.#find(columns.key.subarray(this.#head * 4, this.#head * 4 + 4));
    if (place !== undefined) this.#unlink(place);
    columns.live[this.#head] = 0;
    this.#size--;
    this.#skipWoken();
  }

  #hash(words: Uint32Array, at = 0): number {
    let hash = this.#seed;
    for (let i = 0; i < 4; i++) {
      hash = Math.imul(hash ^ (words[at + i] ?? 0), 0x85ebca6b);
      hash ^= hash >>> 15;
    }
    hash = Math.imul(hash, 0xc2b2ae35);
    return ((hash ^ (hash >>> 16)) >>> 0) % this.#columns.index.length;
  }

  #find(words: Uint32Array): number | undefined {
    const { index, key } = this.#columns;
    const [w0, w1, w2, w3] = words;
    for (let place = this.#hash(words); ; place = (place + 1) % index.length) {
      const slot = index[place];
      if (slot === undefined || slot === EMPTY) return undefined;
      const k = slot * 4;
      if (key[k] === w0 && key[k + 1] === w1 && key[k + 2] === w2 && key[k + 3] === w3)
        return place;
    }
  }

  #link(slot: number): void {
    const { index, key } = this.#columns;
    let place = this.#hash(key, slot * 4);
    while (index[place] !== EMPTY) place = (place + 1) % index.length;
    index[place] = slot;
  }

  /** Linear probing's deletion: what follows moves up, so that no search breaks off early. */
  #unlink(hole: number): void {
    const { index, key } = this.#columns;
    let empty = hole;
    for (let place = (hole + 1) % index.length; ; place = (place + 1) % index.length) {
      const slot = index[place];
      if (slot === undefined || slot === EMPTY) break;
      const home = this.#hash(key, slot * 4);
      const stays = empty <= place ? empty < home && home <= place : empty < home || home <= place;
      if (stays) continue;
      index[empty] = slot;
      empty = place;
    }
    index[empty] = EMPTY;
  }

  #resize(capacity: number): void {
    const old = this.#columns;
    const next = new Columns(capacity);
    let slot = 0;
    for (let i = 0; i < this.#span; i++) {
      const from = (this.#head + i) % old.capacity;
      if (old.live[from] === 0) continue;
      next.key.set(old.key.subarray(from * 4, from * 4 + 4), slot * 4);
      for (const column of COLUMNS) next[column][slot] = old[column][from] ?? 0;
      slot++;
    }
    this.#columns = next;
    this.#head = 0;
    this.#span = slot;
    for (let i = 0; i < slot; i++) this.#link(i);
  }
}

const COLUMNS = [
  'atMs',
  'sequence',
  'generation',
  'port',
  'sourcePort',
  'destination',
  'bits',
  'interfaceIndex',
  'knock',
  'live',
] as const;
