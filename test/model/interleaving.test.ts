import assert from 'node:assert/strict';
import type { Packet } from '../../machines/types.js';
import { described, posternMatcher } from './agreement.js';
import { seededRecipe } from './recipes.js';
import { referenceModel } from './reference.js';
import { type Stream, streamOf } from './streams.js';
import type { Model } from './types.js';

const COUNT = Number(process.env['MODEL_INTERLEAVINGS'] ?? 1000);

/** What a model opens, packet by packet, for each source. */
function outcomes(model: Model, packets: readonly Packet[]): Map<string, string[]> {
  const bySource = new Map<string, string[]>();
  for (const packet of packets) {
    const outcome = bySource.get(packet.source) ?? [];
    bySource.set(packet.source, outcome);
    outcome.push(`${packet.atMs} [${model.packet(packet).opened.join(' ')}]`);
  }
  return bySource;
}

function assertIndependent(make: (stream: Stream) => Model): void {
  const base = Number(process.env['MODEL_SEED'] ?? Math.floor(Math.random() * 1e9));
  let openings = 0;
  for (let seed = base; seed < base + COUNT; seed += 1) {
    // Every stream is a random interleaving of its sources.
    const stream = streamOf(seededRecipe(seed, 60));
    for (const [source, together] of outcomes(make(stream), stream.packets)) {
      const own = stream.packets.filter((one) => one.source === source);
      const alone = outcomes(make(stream), own).get(source);
      assert.deepEqual(together, alone, `MODEL_SEED=${seed} ${source}\n${described(stream)}`);
      openings += together.filter((one) => !one.endsWith('[]')).length;
    }
  }
  assert.ok(openings > COUNT, `too few openings to show anything: ${openings}`);
}

describe('a source cannot disturb another (T2)', () => {
  it(`each source's outcome equals its outcome alone, in ${COUNT} interleavings`, function () {
    this.timeout(60_000 + COUNT * 20);
    assertIndependent(({ doors, rules, host }) => posternMatcher(doors, rules, host));
  });

  it('and so do the rules as written', function () {
    this.timeout(60_000 + COUNT * 20);
    assertIndependent(({ doors, rules, host }) => referenceModel(doors, rules, host));
  });
});
