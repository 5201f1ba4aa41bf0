/** What postern may do to a sink, one check each. */
import { isDeepStrictEqual } from 'node:util';
import type { UserSink } from '../../sinks/module/contract.js';
import type { Examination } from './examination.js';
import type { TestSinkOptions } from './types.js';

export interface CheckContext {
  readonly exam: Examination;
  readonly options: TestSinkOptions;
  /** Makes the sink anew; undefined: the module exports a sink, not a function. */
  readonly anew: (() => Promise<UserSink>) | undefined;
}

export interface Check {
  readonly name: string;
  /** Why it cannot be tried with that sink and those options. */
  readonly skip?: (context: CheckContext) => string | undefined;
  readonly run: (context: CheckContext) => Promise<void>;
}

const noClose = ({ exam }: CheckContext) => (exam.sink.close ? undefined : 'it has no close');
const noState = ({ options }: CheckContext) => (options.state ? undefined : 'there is no state()');

/** Between the call and being told to stop, milliseconds. */
const A_MOMENT_MS = 20;
/** A side that fails may do so by never answering, milliseconds. */
const UNTIL_GIVEN_UP_MS = 250;

export const CHECKS: readonly Check[] = [
  {
    name: 'opening twice is as opening once',
    async run({ exam, options }) {
      const grant = exam.grant();
      const before = await exam.state();
      await exam.must('open', grant);
      const opened = await exam.state();
      if (options.state && exam.sink.close && isDeepStrictEqual(opened, before))
        exam.find('state() gives the same before and after open: it does not show what is open');
      await exam.must('open', grant, ' the second time for one grant');
      await exam.expect(opened, 'opening the same grant twice is not as opening it once');
      await exam.must('close', grant);
      await exam.expect(before, 'close does not take back what open gave');
    },
  },
  {
    name: 'closing twice, or what was never opened',
    skip: noClose,
    async run({ exam }) {
      const grant = exam.grant();
      const before = await exam.state();
      await exam.must('open', grant);
      await exam.must('close', grant);
      await exam.must('close', grant, ' the second time for one grant');
      await exam.expect(before, 'closing the same grant twice is not as closing it once');
      await exam.must('close', exam.grant(), ' for a grant that was never opened');
      await exam.expect(before, 'closing a grant that was never opened changes something');
    },
  },
  {
    name: 'one grant leaves another alone',
    skip: noClose,
    async run({ exam }) {
      const grant = exam.grant();
      const others = [
        ['another source', exam.grant({ source: '2001:db8::1' })],
        ['the same source at another door', exam.grant({ door: 'test 2' })],
      ] as const;
      for (const [whose, other] of others) {
        await exam.must('open', other);
        const alone = await exam.state();
        await exam.must('open', grant);
        await exam.must('close', grant);
        await exam.expect(alone, `closing a grant also closes, or changes, that of ${whose}`);
        await exam.must('close', other);
      }
    },
  },
  {
    name: 'what is open is closed after a restart',
    skip: (context) =>
      noClose(context) ??
      noState(context) ??
      (context.anew ? undefined : 'the module exports a sink, not a function'),
    async run({ exam, anew }) {
      const grant = exam.grant();
      const before = await exam.state();
      await exam.must('open', grant);
      await exam.must('close', grant, ' after a restart', await anew?.());
      const what =
        'close takes nothing back after a restart: keep what it needs outside the process';
      await exam.expect(before, what);
      await exam.must('close', grant);
    },
  },
  {
    name: 'it stops when told to',
    async run({ exam }) {
      const before = await exam.state();
      for (const stopAfterMs of [0, 1, A_MOMENT_MS]) {
        const grant = exam.grant();
        await exam.call('open', grant, { stopAfterMs });
        if (exam.sink.failed) await exam.call('failed', grant, { stopAfterMs });
        await exam.must('open', grant, ' after it was told to stop');
        await exam.call('close', grant, { stopAfterMs });
        await exam.must('close', grant, ' after it was told to stop');
        await exam.expect(before, 'close does not take back what was done when told to stop');
      }
    },
  },
  {
    name: 'it says so when it fails',
    skip: ({ options }) => (options.breakIt ? undefined : 'there is no breakIt()'),
    async run({ exam, options }) {
      const [grant, closed] = [exam.grant(), exam.grant()];
      const before = await exam.state();
      await exam.must('open', closed);
      const mend = await options.breakIt?.();
      const told = { stopAfterMs: UNTIL_GIVEN_UP_MS };
      const opening = await exam.call('open', grant, told);
      const closing = await exam.call('close', closed, told);
      if (exam.sink.failed) await exam.call('failed', grant, told);
      await mend?.();
      if (opening.kind === 'done') exam.find('open says that it is open when its other side fails');
      await exam.must('close', grant, ' after what failed was mended');
      if (closing.kind === 'failed')
        await exam.must('close', closed, ' after what failed was mended');
      await exam.expect(before, 'close says that it is closed when its other side fails');
      await exam.must('open', grant, ' after what failed was mended');
      await exam.must('close', grant);
    },
  },
  {
    name: 'failures are heard of',
    skip: ({ exam }) => (exam.sink.failed ? undefined : 'it has no failed'),
    async run({ exam }) {
      const grant = exam.grant();
      await exam.must('failed', grant);
      await exam.must('failed', grant, ' the second time for one grant');
    },
  },
];
