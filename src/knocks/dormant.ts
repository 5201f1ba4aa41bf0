/**
 * The dormant table (DESIGN 4): sources of which one packet is remembered and nothing more. Typed
 * arrays, some 60 bytes a source: a flood of spoofed first knocks fills it and pushes out its own
 * oldest, and memory is given back when it ebbs. A source's next relevant packet wakes it. No single
 * operation takes long, however many sources there are.
 */
import type { Packet } from '../../machines/types.js';
import { AddressHash } from './address-hash.js';
import { LatestWords, wordsText } from './address-words.js';
import { SlotIndex } from './dormant-index.js';
import { GENERATION, KIND, PORTS, REST, SEQUENCE, type Segment, WORDS } from './dormant-segment.js';
import { DormantSlots } from './dormant-slots.js';

/** A remembered packet, as it goes into the machine that it wakes. */
export interface DormantPacket {
  /** What it was when it came in, whatever its port is in a later table. */
  readonly type: 'KNOCK' | 'STRAY';
  readonly packet: Packet;
  readonly local: boolean;
  /** The door table's generation when it came in (M11). */
  readonly generation: number;
}

/** Beside the six TCP flags. */
const UDP = 64;
const LOCAL = 128;
/** Destinations have numbers of 16 bits; 0 is one that is no door's target. */
const MOST_DESTINATIONS = 0x10000;

export class DormantTable {
  readonly #hash = new AddressHash();
  readonly #slots: DormantSlots;
  readonly #index: SlotIndex;
  /** Destinations that are a door's target; records hold their number. */
  readonly #destinations: string[] = [''];
  readonly #numbers = new Map<string, number>();

  constructor(
    readonly maxSources: number,
    private readonly words = new LatestWords(),
  ) {
    this.#slots = new DormantSlots(maxSources, (from, segment, place) =>
      this.#index.move(this.#hashAt(segment, place), from, this.#slots.slotOf(segment, place)),
    );
    this.#index = new SlotIndex(this.#slots);
  }

  get size(): number {
    return this.#slots.size;
  }

  /** Bytes held for records and for finding them. */
  get bytes(): number {
    return this.#slots.bytes + this.#index.bytes;
  }

  /** Remembers the packet of a source that has none. True if the oldest had to go for it. */
  add(record: DormantPacket, isTarget: boolean): boolean {
    const isFull = this.size === this.maxSources;
    if (isFull) this.#remove(this.#slots.oldest());
    const words = this.words.of(record.packet.source);
    const slot = this.#slots.push();
    const segment = this.#slots.segmentOf(slot);
    const place = this.#slots.placeOf(slot);
    segment.words.set(words, place * WORDS);
    this.#write(segment, place, record, isTarget);
    this.#index.add(this.#hash.of(words, 0), slot);
    return isFull;
  }

  /** Takes the source's record out of the table. */
  wake(source: string): DormantPacket | undefined {
    if (this.size === 0) return undefined;
    const words = this.words.of(source);
    const hash = this.#hash.of(words, 0);
    const slot = this.#index.find(hash, words);
    if (slot < 0) return undefined;
    const remembered = this.#recordAt(slot, source);
    this.#index.remove(hash, slot);
    this.#slots.remove(slot);
    return remembered;
  }

  /** Monotonic ms at which the oldest record came in; Infinity when there is none. */
  oldestMs(): number {
    const slot = this.#slots.oldest();
    if (slot < 0) return Number.POSITIVE_INFINITY;
    return this.#slots.segmentOf(slot).times[this.#slots.placeOf(slot)] ?? 0;
  }

  /** Forgets the records that came in before `beforeMs`, oldest first, `atMost` of them. */
  expire(
    beforeMs: number,
    onExpired: (record: DormantPacket) => void,
    atMost = Number.POSITIVE_INFINITY,
  ): void {
    for (let left = atMost; left > 0 && this.size > 0; left--) {
      if (this.oldestMs() > beforeMs) return;
      const slot = this.#slots.oldest();
      const at = this.#slots.placeOf(slot) * WORDS;
      const record = this.#recordAt(slot, wordsText(this.#slots.segmentOf(slot).words, at));
      this.#remove(slot);
      onExpired(record);
    }
  }

  #remove(slot: number): void {
    this.#index.remove(this.#hashAt(this.#slots.segmentOf(slot), this.#slots.placeOf(slot)), slot);
    this.#slots.remove(slot);
  }

  #hashAt(segment: Segment, place: number): number {
    return this.#hash.of(segment.words, place * WORDS);
  }

  #write(segment: Segment, place: number, record: DormantPacket, isTarget: boolean): void {
    const { packet } = record;
    const { words } = segment;
    const at = place * WORDS;
    const destination = isTarget ? this.#destinationNumber(packet.destination) : 0;
    const bits = packet.flags | (packet.protocol === 'udp' ? UDP : 0) | (record.local ? LOCAL : 0);
    words[at + SEQUENCE] = packet.sequence;
    words[at + GENERATION] = record.generation;
    words[at + PORTS] = (packet.port << 16) | packet.sourcePort;
    words[at + REST] = (destination << 16) | (bits << 8) | packet.interfaceIndex;
    segment.times[place] = packet.atMs;
    segment.kinds[place] = record.type === 'KNOCK' ? KIND.knock : KIND.stray;
  }

  #recordAt(slot: number, source: string): DormantPacket {
    const segment = this.#slots.segmentOf(slot);
    const place = this.#slots.placeOf(slot);
    const { words } = segment;
    const at = place * WORDS;
    const ports = words[at + PORTS] ?? 0;
    const rest = words[at + REST] ?? 0;
    const bits = (rest >>> 8) & 255;
    return {
      type: segment.kinds[place] === KIND.knock ? 'KNOCK' : 'STRAY',
      local: (bits & LOCAL) !== 0,
      generation: words[at + GENERATION] ?? 0,
      packet: {
        atMs: segment.times[place] ?? 0,
        source,
        destination: this.#destinations[rest >>> 16] ?? '',
        protocol: (bits & UDP) === 0 ? 'tcp' : 'udp',
        sourcePort: ports & 0xffff,
        port: ports >>> 16,
        flags: bits & 63,
        sequence: words[at + SEQUENCE] ?? 0,
        interfaceIndex: rest & 255,
      },
    };
  }

  #destinationNumber(destination: string): number {
    const known = this.#numbers.get(destination);
    if (known !== undefined) return known;
    if (this.#destinations.length === MOST_DESTINATIONS) return 0;
    const number = this.#destinations.push(destination) - 1;
    this.#numbers.set(destination, number);
    return number;
  }
}
