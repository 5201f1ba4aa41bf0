/**
 * A test hook, and nothing else: with `POSTERN_TEST_STOP_AT=NAME` in its environment postern kills
 * itself (SIGKILL) just after that step of a grant's life, so that a test can crash it there (T10).
 * With `NAME#3` at the third time. Without the variable nothing here does anything.
 *
 * Durable steps, each reached when Redis has it on its disk: the events of a grant by their names
 * (`Completed`, `Opening`, `Opened`, `OpenFailed`, `Extended`, `Closing`, `Closed`, `CloseFailed`,
 * `Abandoned`), and `open-job` and `close-job`, when that job is in its queue. With two sinks there
 * are two `Opened` and two `Closed`. A completion and its Opening go to Redis at the same time, so
 * at `Completed` the Opening may be durable too.
 *
 * Steps in between, where something has happened that the journal does not know yet: `sink-opened`,
 * `sink-extended` and `sink-closed`, when one sink has done so, or failed to.
 */
import { PosternError } from '../errors.js';
import type { EventBody } from '../journal/events.js';
import type { Journal, SentEvent } from '../journal/types.js';

/** All names that `POSTERN_TEST_STOP_AT` takes. */
export const STEPS = [
  'Completed',
  'Opening',
  'Opened',
  'OpenFailed',
  'Extended',
  'Closing',
  'Closed',
  'CloseFailed',
  'Abandoned',
  'open-job',
  'close-job',
  'sink-opened',
  'sink-extended',
  'sink-closed',
] as const;

export type Step = (typeof STEPS)[number];

/** Told of each step as it is reached; does not return from the one it stops at. */
export type ReachStep = (step: Step) => void;

/** @throws PosternError POSTERN_E_USAGE when the variable names no step */
export function stepsFromEnvironment(): ReachStep | undefined {
  const wanted = process.env['POSTERN_TEST_STOP_AT'];
  if (wanted === undefined) return undefined;
  const [name, times = '1'] = wanted.split('#');
  if (!STEPS.some((step) => step === name)) {
    const known = STEPS.join(', ');
    throw new PosternError('POSTERN_E_USAGE', `POSTERN_TEST_STOP_AT names none of ${known}`);
  }
  let left = Number(times);
  return (step) => {
    if (step !== name) return;
    left -= 1;
    if (left === 0) process.kill(process.pid, 'SIGKILL');
  };
}

/** The journal, telling of each event of a grant once it is durable, before anybody else hears. */
export function journalWithSteps(journal: Journal, reach: ReachStep): Journal {
  const reached = ({ type }: EventBody): void => {
    const step = STEPS.find((each) => each === type);
    if (step !== undefined) reach(step);
  };
  const send = (body: EventBody): SentEvent => {
    const { event, durable } = journal.send(body);
    return { event, durable: durable.then(() => reached(body)) };
  };
  return {
    send,
    async append(body) {
      const { event, durable } = send(body);
      await durable;
      return event;
    },
    async claim(claim, body) {
      const event = await journal.claim(claim, body);
      if (event !== undefined) reached(body);
      return event;
    },
    claimed: (claims) => journal.claimed(claims),
    async accept(grant, untilMs, body, claim) {
      const event = await journal.accept(grant, untilMs, body, claim);
      if (event !== undefined) reached(body);
      return event;
    },
    remember: (claims) => journal.remember(claims),
    rememberedClaims: () => journal.rememberedClaims(),
    knows: (claims) => journal.knows(claims),
    read: (options) => journal.read(options),
    follow: (options) => journal.follow(options),
    trim: (keepFrom) => journal.trim(keepFrom),
    get rejected() {
      return journal.rejected;
    },
  };
}
