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

  it('come back from wherever they stand, and only mapped ones as IPv4', () => {
    const text = (...words: number[]) => wordsText(new Uint32Array([5, 0, ...words]), 2);
    assert.equal(text(0, 0, 0xffff, 0xffffffff), '255.255.255.255');
    assert.equal(text(0, 0, 0xffff, 0), '0.0.0.0');
    assert.equal(text(0, 0, 0xffff, 0x80_7f_01_ff), '128.127.1.255');
    assert.equal(text(0, 0, 0, 0x01020304), '::102:304');
    assert.equal(text(0, 0, 0x1ffff, 0x01020304), '::1:ffff:102:304');
    assert.equal(text(0, 1, 0xffff, 0x01020304), '::1:0:ffff:102:304');
    assert.equal(text(1, 0, 0xffff, 0x01020304), '0:1::ffff:102:304');
  });
});
