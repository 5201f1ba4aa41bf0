import assert from 'node:assert/strict';
import type { Packet } from '../../machines/types.js';
import { described, posternMatcher } from './agreement.js';
import { seededRecipe } from './recipes.js';
import { referenceModel } from './reference.js';
import { type Stream, streamOf } from './streams.js';
import type { Model } from './types.js';

const COUNT = Number(process.env['MODEL_INTERLEAVINGS'] ?? 2000);

/** What a model opens for one source, packet by packet of that source. */
function outcome(model: Model, packets: readonly Packet[], source: string): string[] {
  const opened: string[] = [];
  for (const packet of packets) {
    const doors = model.packet(packet).opened.join(' ');
    if (packet.source === source) opened.push(`${packet.atMs} [${doors}]`);
  }
  return opened;
}

/** A random interleaving of the sources of a stream. */
function interleaved(seed: number): { stream: Stream; sources: string[] } {
  const stream = streamOf(seededRecipe(seed, 60));
  return { stream, sources: [...new Set(stream.packets.map((one) => one.source))] };
}

function assertIndependent(make: (stream: Stream) => Model, openings: { count: number }): void {
  const base = Number(process.env['MODEL_SEED'] ?? Math.floor(Math.random() * 1e9));
  for (let seed = base; seed < base + COUNT; seed += 1) {
    const { stream, sources } = interleaved(seed);
    for (const source of sources) {
      const alone = stream.packets.filter((one) => one.source === source);
      const expected = outcome(make(stream), alone, source);
      const actual = outcome(make(stream), stream.packets, source);
      assert.deepEqual(actual, expected, `MODEL_SEED=${seed} ${source}\n${described(stream)}`);
      openings.count += actual.filter((one) => !one.endsWith('[]')).length;
    }
  }
}

describe('a source cannot disturb another (T2)', () => {
  it(`each source's outcome equals its outcome alone, in ${COUNT} interleavings`, function () {
    this.timeout(60_000 + COUNT * 20);
    const openings = { count: 0 };
    assertIndependent(({ doors, rules, host }) => posternMatcher(doors, rules, host), openings);
    assert.ok(openings.count > COUNT, `too few openings to show anything: ${openings.count}`);
  });

  it('and so do the rules as written', function () {
    this.timeout(60_000 + COUNT * 20);
    const openings = { count: 0 };
    assertIndependent(({ doors, rules, host }) => referenceModel(doors, rules, host), openings);
    assert.ok(openings.count > COUNT, `too few openings to show anything: ${openings.count}`);
  });
});
