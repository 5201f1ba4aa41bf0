import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Packet } from '../../machines/types.js';
import { addressText } from '../../src/capture/address.js';
import { newParsedFrame } from '../../src/capture/parse.js';
import { encodeRecord, packetOf, RECORD_BYTES, RecordDecoder } from '../../src/capture/record.js';
import { text6 } from './oracle.js';

const port = fc.integer({ min: 0, max: 65_535 });
/** Addresses with many zero groups, where `::` is decided. */
const address = fc.oneof(
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
  fc
    .array(fc.constantFrom(0, 0, 0, 1, 0x0db8, 0xffff), { minLength: 8, maxLength: 8 })
    .map((groups) => Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 255]))),
  fc
    .uint8Array({ minLength: 4, maxLength: 4 })
    .map((quad) => Uint8Array.from([...Array(10).fill(0), 255, 255, ...quad])),
);
const captured = fc
  .record({
    source: address,
    destination: address,
    protocol: fc.constantFrom('tcp' as const, 'udp' as const),
    sourcePort: port,
    port,
    flags: fc.integer({ min: 0, max: 63 }),
    sequence: fc.integer({ min: 0, max: 0xffffffff }),
  })
  .map((frame) => ({ ...newParsedFrame(), ...frame }))
  .map((frame) => (frame.protocol === 'udp' ? { ...frame, flags: 0 } : frame));

function decoder(now = 1e9): { decoder: RecordDecoder; packets: Packet[] } {
  const packets: Packet[] = [];
  const onPacket = (packet: Packet) => packets.push(packet);
  return { decoder: new RecordDecoder({ interfaceIndex: 3, now: () => now, onPacket }), packets };
}

describe('address text', () => {
  it('is RFC 5952, and dotted quads for v4-mapped addresses', () => {
    fc.assert(
      fc.property(address, (bytes) => {
        assert.equal(addressText(bytes), text6(Buffer.from(bytes)));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('sensor records', () => {
  it('come out as they went in, however the stream was cut', () => {
    fc.assert(
      fc.property(
        fc.array(captured, { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 130 }), { minLength: 1, maxLength: 6 }),
        (frames, cuts) => {
          const bytes = Buffer.alloc(frames.length * RECORD_BYTES);
          for (const [i, frame] of frames.entries())
            encodeRecord(frame, i + 0.25, bytes, i * RECORD_BYTES);
          const { decoder: decode, packets } = decoder();
          for (let at = 0, i = 0; at < bytes.length; i += 1) {
            const size = cuts[i % cuts.length] ?? 1;
            decode.push(bytes.subarray(at, at + size));
            at += size;
          }
          assert.deepEqual(
            packets,
            frames.map((frame, i) => packetOf(frame, i + 0.25, 3)),
          );
          assert.equal(decode.invalid, 0);
        },
      ),
    );
  });

  it('are dropped and counted when they are none, and those that follow are read', () => {
    const bytes = Buffer.alloc(RECORD_BYTES);
    encodeRecord(newParsedFrame(), 1, bytes, 0);
    for (const [at, value] of [
      [0, 0],
      [1, 9],
      [2, 1],
      [3, 255],
      [12, 1],
      [23, 255],
    ] as const) {
      const bad = Buffer.from(bytes);
      bad[at] = value;
      const { decoder: decode, packets } = decoder();
      decode.push(Buffer.concat([bad, bytes]));
      assert.equal(decode.invalid, 1, `byte ${at}`);
      assert.equal(packets.length, 1);
    }
  });

  it('survive arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 10 }), (chunks) => {
        const { decoder: decode, packets } = decoder();
        for (const chunk of chunks) decode.push(Buffer.from(chunk));
        const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
        assert.equal(decode.invalid + packets.length, Math.floor(bytes / RECORD_BYTES));
      }),
    );
  });

  it('are never from later than now', () => {
    const bytes = Buffer.alloc(RECORD_BYTES);
    encodeRecord(newParsedFrame(), 1e300, bytes, 0);
    const { decoder: decode, packets } = decoder(500);
    decode.push(bytes);
    assert.equal(packets[0]?.atMs, 500);
  });
});
