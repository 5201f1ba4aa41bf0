/**
 * One-time doors on this host: which sequence each listens for now, and what happens when it is
 * used. Used up means claimed, in the journal's keeping and outside its trimmed stream: a restored
 * or edited file cannot bring a used sequence back.
 */
import { markUsed, type OneTimeLine, readOneTimeFile } from '../config/one-time-file.js';
import type { Door } from '../config/types.js';
import type { Knock } from '../machines/types.js';
import type { ClaimBook, SequenceClaims } from './claims.js';
import { reasonOf } from './errors.js';
import type { Log } from './log/types.js';

export interface OneTimeOptions {
  readonly claims: ClaimBook;
  readonly log: Log;
}

export class OneTimeDoors {
  /** The unused sequences of each door, as its file and the claims say. */
  readonly #unused = new Map<string, readonly OneTimeLine[]>();
  /** Own claims of the sequences whose knocks are on their way, by door. */
  readonly #underway = new Map<string, Set<string>>();
  #refreshed: Promise<void> = Promise.resolve();

  constructor(private readonly options: OneTimeOptions) {}

  /** The sequence the door listens for now; none when all are used. */
  current(door: Door): readonly Knock[] | undefined {
    return this.#unused.get(door.name)?.[0]?.knocks;
  }

  /**
   * The current sequence was knocked: the door listens for the next at once, and for this one no
   * more until `settle`.
   */
  advance(door: Door): void {
    const [used, ...rest] = this.#unused.get(door.name) ?? [];
    if (used === undefined) return;
    this.#unused.set(door.name, rest);
    const underway = this.#underway.get(door.name) ?? new Set();
    this.#underway.set(door.name, underway.add(this.claimsOf(door, used.knocks).own));
  }

  /**
   * The knock of a sequence is done with: from the next `refresh` on the claims say whether it is
   * used. Takes effect behind what is being read now, which may not know of its claim.
   */
  settle(door: Door, ownClaim: string): void {
    this.#refreshed = this.#refreshed.then(() => {
      this.#underway.get(door.name)?.delete(ownClaim);
    });
  }

  left(door: Door): number {
    return this.#unused.get(door.name)?.length ?? 0;
  }

  claimsOf(door: Door, knocks: readonly Knock[]): SequenceClaims {
    return this.options.claims.of(door.name, knocks);
  }

  /**
   * Reads the door's file and finds its next sequence. Lines that were claimed and are not marked
   * (a restored file, or a crash between claim and mark) are marked now.
   */
  refresh(door: Door): Promise<void> {
    // One after the other: each rewrites the file to mark what was used.
    const refreshed = this.#refreshed.then(() => this.#refresh(door));
    this.#refreshed = refreshed.catch(() => {});
    return refreshed;
  }

  async #refresh(door: Door): Promise<void> {
    if (door.sequence.kind !== 'oneTime') return;
    const { claims, log } = this.options;
    const { file } = door.sequence;
    const { lines } = await readOneTimeFile(file);
    const used = await claims.used(lines.map(({ knocks }) => this.claimsOf(door, knocks)));
    const unused = lines.filter((_, index) => used[index] !== true);
    for (const line of lines.filter((_, index) => used[index] === true)) {
      await this.#mark(door, file, line);
    }
    const underway = this.#underway.get(door.name);
    const free = unused.filter(({ knocks }) => !underway?.has(this.claimsOf(door, knocks).own));
    this.#unused.set(door.name, free);
    const fields = { door: door.name, file, left: unused.length };
    if (unused.length === 0) {
      log.warn(fields, 'all one-time sequences are used: the door stays shut until there are more');
    }
  }

  /** The claim counts; a file that cannot be marked only means that the mark is missing. */
  async #mark(door: Door, file: string, line: OneTimeLine): Promise<void> {
    try {
      await markUsed(file, line);
    } catch (error) {
      this.options.log.warn(
        { door: door.name, file, reason: reasonOf(error) },
        'a used one-time sequence could not be marked in its file; it stays used all the same',
      );
    }
  }
}
