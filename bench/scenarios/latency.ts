/**
 * How long after its last packet a knock has opened: a start command that runs, an element of
 * nftables that is there, a connection that succeeds. One knock at a time, on a quiet host.
 */
import { rounded } from '../lib/figures.js';
import { type Comparison, comparison, FULL, inTurn, QUICK, summary } from '../lib/latency.js';
import { EVERY_MS } from '../lib/latency-attempts.js';
import { commandBlock, floorBlock } from '../lib/latency-command.js';
import { nftablesBlock, prepare } from '../lib/latency-nftables.js';
import type { BenchContext, Measured, Scenario } from '../lib/scenario.js';

export const command: Scenario = {
  name: 'command',
  title: 'From the last packet of a knock until its start command runs',
  async run(context: BenchContext): Promise<Measured> {
    const plan = context.quick ? QUICK : FULL;
    const bench = { network: await context.network(), folder: await context.folder(), plan };
    const rounds = await inTurn(plan, (subject, round) => {
      context.say(`${subject}, round ${round} of ${plan.rounds}`);
      return subject === 'floor' ? floorBlock(bench) : commandBlock(bench, subject);
    });
    const compared = comparison(rounds, plan, (block) => block);
    context.say(summary('knock to command', compared));
    const ratios = { ...medians(compared, ''), ...(!context.quick && worst(compared, '')) };
    return { figures: compared, ratios };
  },
};

export const nftables: Scenario = {
  name: 'nftables',
  title: 'From the last packet of a knock until its element is there, and until a connect succeeds',
  async run(context: BenchContext): Promise<Measured> {
    // Of each kind of knock; there are two.
    const plan = context.quick ? { ...QUICK, knocks: 24 } : FULL;
    const bench = { network: await context.network(), folder: await context.folder(), plan };
    await prepare(bench);
    const rounds = await inTurn(plan, (subject, round) => {
      context.say(`${subject}, round ${round} of ${plan.rounds}`);
      return nftablesBlock(bench, subject);
    });
    const element = comparison(rounds, plan, ({ elementMs }) => elementMs);
    const connection = comparison(rounds, plan, ({ connectionMs }) => connectionMs);
    context.say(summary('knock to element', element));
    context.say(summary('knock to connection', connection));
    const ratiosOf = (compared: Comparison, what: string) =>
      context.quick
        ? ofKnockd(compared, what)
        : { ...medians(compared, what), ...worst(compared, what) };
    return {
      figures: { element, connection, connectionEveryMs: EVERY_MS },
      ratios: { ...ratiosOf(element, 'element, '), ...ratiosOf(connection, 'connection, ') },
    };
  },
};

type Ratios = Readonly<Record<string, number>>;

function medians({ floor, postern, ofKnockdP50 }: Comparison, what: string): Ratios {
  return {
    [`${what}postern / knockd, p50`]: ofKnockdP50,
    [`${what}postern / floor, p50`]: rounded(postern.p50Ms / floor.p50Ms, 4),
  };
}

/** The short form has too few knocks for a p95 that does not double by itself. */
function worst({ floor, postern, ofKnockdP95 }: Comparison, what: string): Ratios {
  return {
    [`${what}postern / knockd, p95`]: ofKnockdP95,
    [`${what}postern / floor, p95`]: rounded(postern.p95Ms / floor.p95Ms, 4),
  };
}

/** The floor of an element is half a millisecond: in the short form it doubles by itself as well. */
function ofKnockd({ ofKnockdP50 }: Comparison, what: string): Ratios {
  return { [`${what}postern / knockd, p50`]: ofKnockdP50 };
}
