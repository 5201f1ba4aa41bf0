import assert from 'node:assert/strict';
import type { Packet } from '../../machines/types.js';
import { firstDifference, posternMatcher } from './agreement.js';
import { limitedStream } from './limited.js';
import { referenceModel } from './reference.js';
import type { Model } from './types.js';

const STREAMS = Number(process.env['MODEL_STREAMS'] ?? 5000) / 25;
const STEPS = 150;
const BASE = Number(process.env['MODEL_SEED'] ?? Math.floor(Math.random() * 1e9));

/** What a model opens at which packet, of the packets of some sources. */
function openings(model: Model, packets: readonly Packet[], of: (source: string) => boolean) {
  return packets.flatMap((packet, index) => {
    const { opened } = model.packet(packet);
    return of(packet.source) && opened.length > 0 ? [`${index} ${opened.join(' ')}`] : [];
  });
}

describe('a limit of attempts for each source (M12)', () => {
  it(`opens what the rules open (${STREAMS} streams by seed)`, function () {
    this.timeout(60_000 + STREAMS * 100);
    let lessThanWithout = 0;
    let all = 0;
    for (let seed = BASE; seed < BASE + STREAMS; seed += 1) {
      const stream = limitedStream(seed, STEPS);
      const difference = firstDifference(stream, (index) => index % 7 === 3);
      assert.equal(difference, undefined, `MODEL_SEED=${seed}: ${difference}`);
      const { doors, rules, host, packets } = stream;
      const { maxAttemptsPerMinute: _, ...without } = rules;
      const opened = openings(referenceModel(doors, rules, host), packets, () => true);
      const unlimited = openings(referenceModel(doors, without, host), packets, () => true);
      all += opened.length;
      if (opened.length < unlimited.length) lessThanWithout += 1;
    }
    // The streams bite: the limit keeps doors shut in most, and doors open all the same.
    assert.ok(lessThanWithout > STREAMS / 2, `the limit did nothing: ${lessThanWithout}`);
    assert.ok(all > STREAMS, `too few openings to show anything: ${all}`);
  });

  it('the packets of another source change nothing (T2)', function () {
    this.timeout(60_000 + STREAMS * 100);
    for (let seed = BASE; seed < BASE + STREAMS; seed += 1) {
      const { doors, rules, host, packets } = limitedStream(seed, STEPS);
      // Neighbours in one IPv6 network are one source as far as the limit is concerned.
      const isOwn = (source: string) => source.includes(':') === (seed % 2 === 0);
      const make = () => posternMatcher(doors, rules, host);
      const together = openings(make(), packets, isOwn).map((one) => one.split(' ').slice(1));
      const own = packets.filter(({ source }) => isOwn(source));
      const alone = openings(make(), own, isOwn).map((one) => one.split(' ').slice(1));
      assert.deepEqual(together, alone, `MODEL_SEED=${seed}`);
    }
  });
});
