/** Judges a recording by the promise of knockd compatibility, packet for packet. */
import type { Packet } from '../../machines/types.js';
import { knockdModel } from '../model/knockd.js';
import {
  brokenPromises,
  type Explained,
  explain,
  type KnockdOpening,
  knockdOpenings,
  type Opening,
  openingsOf,
} from '../model/promise.js';
import { referenceModel } from '../model/reference.js';
import { modelHost } from '../model/types.js';
import { SERVER4, SERVER6 } from '../support/netns.js';
import { MODEL_DOORS } from './doors.js';
import type { Completed, Logged, Recording } from './recording.js';

const HOST = modelHost([SERVER4, SERVER6]);
const RULES = { strayLimit: 'off', scanLimit: 20, ignorePorts: [] } as const;

export interface Verdict {
  /** What the model of knockd opens, with packets. Equal to `knockd` of the recording, or else. */
  readonly knockd: readonly KnockdOpening[];
  /** What postern opened, each at the packet where the rules open it. */
  readonly postern: readonly Opening[];
  /** Sources where postern's log and the rules differ, with what was sent and what was opened. */
  readonly unaccounted: readonly string[];
  /** Completed events that are not what the log says, or not at their packet's time. */
  readonly misjournalled: readonly string[];
  readonly broken: readonly Opening[];
  readonly explained: Explained;
}

export function judge(recording: Recording): Verdict {
  const { packets } = recording;
  const knockd = knockdOpenings(knockdModel(MODEL_DOORS, HOST), packets);
  const rules = openingsOf(referenceModel(MODEL_DOORS, RULES, HOST), packets);
  const { postern, unaccounted } = attribute(recording, rules);
  return {
    knockd,
    postern,
    unaccounted,
    misjournalled:
      recording.completed === undefined ? [] : journalFaults(recording.completed, postern),
    broken: brokenPromises(knockd, postern, MODEL_DOORS),
    explained: explain(knockd, postern, packets, MODEL_DOORS, HOST),
  };
}

/**
 * A log has no packets in it. Each source's openings in the log are matched, in order, with those
 * that the rules give for the packets that came; where they differ the source is unaccounted for.
 */
function attribute(recording: Recording, rules: readonly Opening[]) {
  const postern: Opening[] = [];
  const unaccounted: string[] = [];
  const sources = new Set(recording.packets.map((packet) => packet.source));
  for (const source of sources) {
    const expected = rules.filter((one) => one.source === source);
    const actual = recording.postern.filter((one) => one.source === source);
    const found = inOrder(expected, actual);
    postern.push(...found);
    if (found.length < expected.length || found.length < actual.length) {
      unaccounted.push(shown(recording.packets, source, expected, actual));
    }
  }
  const stranger = recording.postern.find((one) => !sources.has(one.source));
  if (stranger !== undefined) unaccounted.push(`${stranger.source} sent nothing and opened`);
  return { postern: postern.sort((one, other) => one.packet - other.packet), unaccounted };
}

/** A journal entry comes after its packet, and no later than this, in ms: the promise's "at". */
const JOURNALLED_WITHIN_MS = 1000;

/** Each source's Completed events must be its openings, each at its packet. */
function journalFaults(completed: readonly Completed[], postern: readonly Opening[]): string[] {
  const faults: string[] = [];
  for (const source of new Set([...completed, ...postern].map((one) => one.source))) {
    const events = completed.filter((one) => one.source === source);
    const openings = postern.filter((one) => one.source === source);
    if (doorsOf(events) !== doorsOf(openings)) {
      faults.push(`${source}: journal [${doorsOf(events)}], log [${doorsOf(openings)}]`);
      continue;
    }
    for (const [index, event] of events.entries()) {
      // The journal has whole milliseconds.
      const lateMs = event.atMs + 1 - (openings[index]?.atMs ?? Number.NaN);
      if (lateMs >= 0 && lateMs <= JOURNALLED_WITHIN_MS) continue;
      faults.push(`${source}: ${event.door} journalled ${lateMs} ms after its packet`);
    }
  }
  return faults;
}

/**
 * The expected openings that were logged, in the log's order. No rule says which of two doors comes
 * first that one packet opens.
 */
function inOrder(expected: readonly Opening[], actual: readonly Logged[]): Opening[] {
  let at = 0;
  return [...new Set(expected.map(({ packet }) => packet))].flatMap((packet) => {
    const together = expected.filter((one) => one.packet === packet);
    const next = actual.slice(at, at + together.length);
    const found = next.flatMap(({ door }) => together.filter((one) => one.door === door));
    at += found.length;
    return found;
  });
}

function doorsOf(openings: readonly { readonly door: string }[]): string {
  return openings.map((one) => one.door).join(' ');
}

function shown(
  packets: readonly Packet[],
  source: string,
  expected: readonly Opening[],
  actual: readonly Logged[],
): string {
  const startMs = packets[0]?.atMs ?? 0;
  const lines = packets.flatMap((packet, index) => {
    if (packet.source !== source) return [];
    const at = (packet.atMs - startMs).toFixed(1);
    const tcp = packet.protocol === 'tcp' ? ` flags ${packet.flags} seq ${packet.sequence}` : '';
    const opens = doorsOf(expected.filter((one) => one.packet === index));
    return [`${at} ms > ${packet.destination} ${packet.port}:${packet.protocol}${tcp} ${opens}`];
  });
  const texts = `the rules open [${doorsOf(expected)}], postern opened [${doorsOf(actual)}]`;
  return [`${source}: ${texts}`, ...lines].join('\n  ');
}
