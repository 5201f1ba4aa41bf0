/**
 * The pipeline over a capture file, in the file's own time: what each source reached, what would
 * have opened and why attempts were spoiled. Nothing runs and nothing is written.
 */
import { readOneTimeFile } from '../../config/one-time-file.js';
import type { Configuration, Door } from '../../config/types.js';
import { DoorTable } from '../../machines/doors.js';
import type { Knock } from '../../machines/types.js';
import { linkTypeOf, newParsedFrame, parseFrame } from '../capture/parse.js';
import { packetOf } from '../capture/record.js';
import type { HostView } from '../capture/types.js';
import { Knocks } from '../knocks/knocks.js';
import type { KnockEvent } from '../knocks/types.js';
import { type ListeningDoor, listeningDoors } from '../match-doors.js';
import { type CapturedFrame, type ReadCaptureOptions, readCapture } from './pcap.js';

/** A knock event in a replay; `unfinished`: the capture ended while the attempt was under way. */
export interface ReplayEvent extends Omit<KnockEvent, 'kind'> {
  readonly kind: KnockEvent['kind'] | 'unfinished';
}

export interface ReplaySummary {
  readonly frames: number;
  readonly packets: number;
  readonly malformed: number;
  /** First and last time in the file, ms since the epoch; undefined for an empty file. */
  readonly firstMs: number | undefined;
  readonly lastMs: number | undefined;
}

export interface ReplayOptions extends ReadCaptureOptions {
  readonly configuration: Configuration;
  readonly host: HostView;
  readonly onEvent: (event: ReplayEvent) => void;
}

/**
 * Replays the capture. One-time doors go through the unused sequences of their file as they would
 * be used up; the file is not changed.
 * @throws PosternError POSTERN_E_REPLAY, POSTERN_E_ONE_TIME
 */
export async function replay(path: string, options: ReplayOptions): Promise<ReplaySummary> {
  const { configuration, host, onEvent } = options;
  const sequences = await readSequences(configuration.doors);
  const { maxSources, maxMachines } = configuration.options;
  const doors = new ReplayDoors(configuration, sequences);
  let ended = false;
  const knocks = new Knocks(doors.table, {
    host,
    limits: { maxSources, maxMachines },
    onEvent: (event) => {
      onEvent(ended && event.kind === 'expired' ? { ...event, kind: 'unfinished' } : event);
      if (event.kind === 'completed' && doors.used(event)) knocks.setTable(doors.table);
    },
  });
  const summary = await feed(readCapture(path, options), knocks);
  ended = true;
  knocks.advance(Number.POSITIVE_INFINITY);
  return summary;
}

async function feed(frames: AsyncIterable<CapturedFrame>, knocks: Knocks): Promise<ReplaySummary> {
  const parsed = newParsedFrame();
  const counts = { frames: 0, packets: 0, malformed: 0 };
  let firstMs: number | undefined;
  let nowMs: number | undefined;
  for await (const { atMs, linkType, frame } of frames) {
    counts.frames++;
    firstMs ??= atMs;
    // A capture of several interfaces is not quite in order; time does not run back.
    nowMs = Math.max(nowMs ?? atMs, atMs);
    const link = linkTypeOf(linkType);
    const verdict = link === undefined ? 'ignored' : parseFrame(link, frame, parsed);
    if (verdict === 'malformed') counts.malformed++;
    if (verdict !== 'packet') continue;
    counts.packets++;
    knocks.advance(nowMs);
    knocks.packet(packetOf(parsed, nowMs, 0));
  }
  if (nowMs !== undefined) knocks.advance(nowMs);
  return { ...counts, firstMs, lastMs: nowMs };
}

/** The sequences each one-time door has left, in order. */
async function readSequences(doors: readonly Door[]): Promise<Map<Door, (readonly Knock[])[]>> {
  const sequences = new Map<Door, (readonly Knock[])[]>();
  for (const door of doors) {
    if (door.sequence.kind === 'fixed') continue;
    const { lines } = await readOneTimeFile(door.sequence.file);
    sequences.set(
      door,
      lines.map(({ knocks }) => knocks),
    );
  }
  return sequences;
}

/** The doors of a replay: what they listen for, without journal or claims. */
class ReplayDoors {
  #listening: readonly ListeningDoor[] = [];
  #table: DoorTable;

  constructor(
    private readonly configuration: Configuration,
    private readonly sequences: Map<Door, (readonly Knock[])[]>,
  ) {
    this.#table = this.#build();
  }

  get table(): DoorTable {
    return this.#table;
  }

  /** True if a one-time sequence was used, so that the table is another now. */
  used({ door: match }: KnockEvent): boolean {
    const door = this.#listening.find((listening) => listening.match === match)?.door;
    if (door === undefined || door.sequence.kind === 'fixed') return false;
    this.sequences.get(door)?.shift();
    this.#table = this.#build(this.#table);
    return true;
  }

  #build(previous?: DoorTable): DoorTable {
    const { doors, options } = this.configuration;
    const sequenceOf = (door: Door) =>
      door.sequence.kind === 'fixed' ? door.sequence.knocks : this.sequences.get(door)?.[0];
    this.#listening = listeningDoors(doors, sequenceOf, this.#listening);
    const matches = this.#listening.map(({ match }) => match);
    return new DoorTable(matches, options, previous);
  }
}
