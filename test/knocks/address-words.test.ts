import assert from 'node:assert/strict';
import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { addressWords, wordsText } from '../../src/knocks/address-words.js';

function roundTrip(text: string): string {
  const words = new Uint32Array(4);
  addressWords(text, words);
  return wordsText(words);
}

describe('addresses as words', () => {
  it('come back as the canonical text, IPv4 and IPv6', () => {
    const byte = fc.integer({ min: 0, max: 255 });
    const group = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }));
    fc.assert(
      fc.property(fc.tuple(byte, byte, byte, byte), (bytes) => {
        assert.equal(roundTrip(bytes.join('.')), bytes.join('.'));
      }),
    );
    fc.assert(
      fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
        const address = new ipaddr.IPv6(groups);
        fc.pre(!address.isIPv4MappedAddress());
        assert.equal(roundTrip(address.toRFC5952String()), address.toRFC5952String());
      }),
      { numRuns: 2000 },
    );
  });
});
