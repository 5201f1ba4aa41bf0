import assert from 'node:assert/strict';
import { SocketAddress } from 'node:net';
import fc from 'fast-check';
import { canonicalAddress } from '../../config/address.js';

describe('canonicalAddress', () => {
  it('gives a dotted quad or RFC 5952 text', () => {
    const texts: Readonly<Record<string, string>> = {
      '192.0.2.1': '192.0.2.1',
      '::ffff:192.0.2.1': '192.0.2.1',
      '::FFFF:c000:0201': '192.0.2.1',
      '2001:DB8:0:0:1:0:0:1': '2001:db8::1:0:0:1',
      '2001:db8:0:1:1:1:1:1': '2001:db8:0:1:1:1:1:1',
      'fe80::1%eth0': 'fe80::1',
      '::': '::',
    };
    for (const [text, canonical] of Object.entries(texts))
      assert.equal(canonicalAddress(text), canonical, text);
  });

  it('gives nothing for what is no address, shorthands included', () => {
    for (const text of [
      '',
      'localhost',
      '127.1',
      '0x7f.0.0.1',
      '010.0.0.1',
      '1.2.3.4/32',
      '1::2::3',
    ])
      assert.equal(canonicalAddress(text), undefined, text);
  });

  it('agrees with inet_ntop(3), but for the two forms that hold a dotted quad', () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const { address } = new SocketAddress({ address: text, family: 'ipv6' });
        const expected = address.replace(/^::ffff:(?=.*\.)/, '');
        if (!expected.startsWith('::') || !expected.includes('.'))
          assert.equal(canonicalAddress(text), expected);
      }),
    );
  });

  it('does not take the old IPv4-compatible form for a mapped one', () => {
    assert.equal(canonicalAddress('::192.0.2.1'), '::c000:201');
  });
});
