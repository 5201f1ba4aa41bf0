/**
 * The matching rules M1–M12 of knockd compatibility as plain arrays and loops: the judge that
 * postern's own matcher is compared with. Written from the text of the rules alone, for reading;
 * nothing here is fast.
 */
import type { Knock, Packet } from '../../machines/types.js';
import type { HostView } from '../../src/capture/types.js';
import {
  isAddressed,
  isKnock,
  type Model,
  type ModelDoor,
  type ModelRules,
  satisfiesFlags,
} from './types.js';

/** One source's progress through one door's sequence. */
interface Attempt {
  readonly door: string;
  readonly source: string;
  readonly beginMs: number;
  /** The packets it counted; as many as its stage. */
  readonly counted: Packet[];
  /** The different stray ports since it began, as `protocol:port`. */
  readonly strays: string[];
}

/** The strays of one source that concern one door (M7). */
interface StrayRecord {
  readonly door: string;
  readonly source: string;
  /** Each different stray with the time it was last hit. */
  readonly hits: { readonly stray: string; atMs: number }[];
  lastMs: number;
  scanning: boolean;
}

/** What a source (IPv6: a network) has left of its attempts (M12). */
interface Bucket {
  readonly network: string;
  /** What it spent and has not got back yet, in ms of filling. */
  spentMs: number;
  atMs: number;
  ignoredUntilMs: number;
}

const MINUTE_MS = 60_000;

export interface ReferenceModel extends Model {
  /** M11: the door's one-time sequence was replaced. */
  replaceSequence(door: string, knocks: readonly Knock[]): void;
}

/** The rules, applied to one packet after the other. Packets come in the order of their times. */
export function referenceModel(
  configured: readonly ModelDoor[],
  rules: ModelRules,
  host: HostView,
): ReferenceModel {
  let doors = [...configured];
  let attempts: Attempt[] = [];
  const strayRecords: StrayRecord[] = [];
  const buckets: Bucket[] = [];

  function packet(p: Packet): { opened: string[] } {
    const opened: string[] = [];
    if (isIgnored(p)) return { opened };
    for (const door of doors) {
      // M8: the deadline is exact; an attempt has expired for a packet at or after it.
      attempts = attempts.filter(
        (one) => one.door !== door.name || p.atMs < one.beginMs + door.seqTimeoutMs,
      );
      // M1, M2: a packet that does not concern the door neither advances nor spoils.
      if (!isAddressed(door, p, host) || !satisfiesFlags(door, p)) continue;
      if (judge(door, p)) opened.push(door.name);
    }
    return { opened };
  }

  /** M12: a knock of a source that began too many attempts is as if it had not come. */
  function isIgnored(p: Packet): boolean {
    const limit = rules.maxAttemptsPerMinute ?? 0;
    if (limit === 0 || !isKnockThatConcerns(p)) return false;
    const network = networkOf(p.source);
    let bucket = buckets.find((one) => one.network === network);
    if (bucket === undefined) {
      bucket = { network, spentMs: 0, atMs: p.atMs, ignoredUntilMs: 0 };
      buckets.push(bucket);
    }
    if (p.atMs < bucket.ignoredUntilMs) return true;
    if (!doors.some((door) => concerns(door, p) && isKnock(door.knocks[0], p))) return false;
    // A full bucket is a minute of filling; a millisecond is allowed for rounding.
    bucket.spentMs = Math.max(0, bucket.spentMs - (p.atMs - bucket.atMs)) + MINUTE_MS / limit;
    bucket.atMs = p.atMs;
    if (bucket.spentMs <= MINUTE_MS + 1) return false;
    // The minute begins here, and whoever has been ignored has a full bucket afterwards.
    bucket.ignoredUntilMs = p.atMs + MINUTE_MS;
    bucket.spentMs = 0;
    return true;
  }

  function concerns(door: ModelDoor, p: Packet): boolean {
    return isAddressed(door, p, host) && satisfiesFlags(door, p);
  }

  /** A packet that concerns the door: first the attempts there are, then M3. */
  function judge(door: ModelDoor, p: Packet): boolean {
    const stray = isStray(door, p);
    if (stray) recordStray(door, p);
    const spoiled: Attempt[] = [];
    let completed = false;
    for (const attempt of attempts) {
      if (attempt.door !== door.name || attempt.source !== p.source) continue;
      const verdict = judgeAttempt(door, attempt, p, stray);
      if (verdict === 'spoiled') spoiled.push(attempt);
      if (verdict === 'completed') completed = true;
    }
    attempts = attempts.filter((one) => !spoiled.includes(one));

    // M3: the first knock begins an attempt beside any under way, unless this packet has just
    // completed the door or the source is scanning (M7).
    if (!completed && isKnock(door.knocks[0], p) && !isScanning(door, p)) {
      attempts.push({
        door: door.name,
        source: p.source,
        beginMs: p.atMs,
        counted: [p],
        strays: [],
      });
      completed = door.knocks.length === 1;
    }

    // M9: completion clears the attempts of this door and source, and no others. M10: nothing
    // remains that could keep the next first knock from beginning.
    if (completed) {
      attempts = attempts.filter((one) => one.door !== door.name || one.source !== p.source);
    }
    keepLaterBegun();
    return completed;
  }

  function judgeAttempt(
    door: ModelDoor,
    attempt: Attempt,
    p: Packet,
    stray: boolean,
  ): 'advanced' | 'completed' | 'ignored' | 'spoiled' {
    // M5: a retransmission of a packet already counted is ignored, whatever is expected next.
    for (const one of attempt.counted) {
      const same = one.sourcePort === p.sourcePort && one.sequence === p.sequence;
      if (one.protocol === 'tcp' && p.protocol === 'tcp' && same) return 'ignored';
    }
    // M4: the expected knock advances, the last one completes.
    if (isKnock(door.knocks[attempt.counted.length], p)) {
      attempt.counted.push(p);
      return attempt.counted.length === door.knocks.length ? 'completed' : 'advanced';
    }
    // M5: so is a repeat of the knock just counted (that it is not the next expected was seen).
    if (isKnock(door.knocks[attempt.counted.length - 1], p)) return 'ignored';
    // M6: any other knock of any door's sequence spoils. It is a knock of a door only if it
    // concerns that door: knockd's filter never shows it what hits a door's port elsewhere or with
    // the wrong flags, and spoiling on it would break the promise.
    if (isKnockThatConcerns(p)) return 'spoiled';
    // M7: more different strays than the limit spoil.
    if (stray && rules.strayLimit !== 'off') {
      if (!attempt.strays.includes(strayName(p))) attempt.strays.push(strayName(p));
      if (attempt.strays.length > rules.strayLimit) return 'spoiled';
    }
    return 'ignored';
  }

  function isKnockOfAnyDoor(p: Packet): boolean {
    return doors.some((door) => door.knocks.some((knock) => isKnock(knock, p)));
  }

  function isKnockThatConcerns(p: Packet): boolean {
    return doors.some(
      (door) => concerns(door, p) && door.knocks.some((knock) => isKnock(knock, p)),
    );
  }

  /** M7, for a packet that concerns the door. */
  function isStray(door: ModelDoor, p: Packet): boolean {
    if (rules.strayLimit === 'off') return false;
    if (isKnockOfAnyDoor(p)) return false;
    if (p.protocol === 'udp' && !door.knocks.some((knock) => knock.protocol === 'udp'))
      return false;
    if (host.isListening(p.protocol, p.port)) return false;
    return !rules.ignorePorts.some((range) => p.port >= range.from && p.port <= range.to);
  }

  /** M7: more different strays within Seq_Timeout than `scan_limit` make a scan. */
  function recordStray(door: ModelDoor, p: Packet): void {
    let record = strayRecords.find((one) => one.door === door.name && one.source === p.source);
    if (record === undefined) {
      record = { door: door.name, source: p.source, hits: [], lastMs: p.atMs, scanning: false };
      strayRecords.push(record);
    }
    if (p.atMs >= record.lastMs + door.seqTimeoutMs) record.scanning = false;
    record.lastMs = p.atMs;
    const hit = record.hits.find((one) => one.stray === strayName(p));
    if (hit === undefined) record.hits.push({ stray: strayName(p), atMs: p.atMs });
    else hit.atMs = p.atMs;
    const recent = record.hits.filter((one) => p.atMs < one.atMs + door.seqTimeoutMs);
    if (recent.length > rules.scanLimit) record.scanning = true;
  }

  /** M7: a scan lasts until no stray has come for Seq_Timeout; knocks do not prolong it. */
  function isScanning(door: ModelDoor, p: Packet): boolean {
    const record = strayRecords.find((one) => one.door === door.name && one.source === p.source);
    if (record === undefined || !record.scanning) return false;
    return p.atMs < record.lastMs + door.seqTimeoutMs;
  }

  /** M3: of two attempts at the same door and stage, the later begun stays. */
  function keepLaterBegun(): void {
    attempts = attempts.filter((one, index) => {
      const rival = attempts.some(
        (other, otherIndex) =>
          other.door === one.door &&
          other.source === one.source &&
          other.counted.length === one.counted.length &&
          (other.beginMs > one.beginMs || (other.beginMs === one.beginMs && otherIndex > index)),
      );
      return !rival;
    });
  }

  return {
    packet,
    replaceSequence(name, knocks) {
      doors = doors.map((door) => (door.name === name ? { ...door, knocks } : door));
      // M11: every source's attempts at the replaced sequence go with it.
      attempts = attempts.filter((one) => one.door !== name);
    },
  };
}

function strayName(p: Packet): string {
  return `${p.protocol}:${p.port}`;
}

/** IPv4 by address, IPv6 by /64: the first four groups, `::` written out. */
function networkOf(source: string): string {
  if (!source.includes(':')) return source;
  const [head = '', tail = ''] = source.split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':'));
  const missing = 8 - groups(head).length - groups(tail).length;
  const all = [...groups(head), ...Array<string>(missing).fill('0'), ...groups(tail)];
  return all.slice(0, 4).join(':');
}
