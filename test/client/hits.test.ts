import assert from 'node:assert/strict';
import { parseHit } from '../../src/client/hits.js';

describe('parseHit', () => {
  it('reads a port, with tcp or udp behind it in any case', () => {
    assert.deepEqual(parseHit('7000', 1, 'tcp'), { port: 7000, protocol: 'tcp' });
    assert.deepEqual(parseHit('1:udp', 1, 'tcp'), { port: 1, protocol: 'udp' });
    assert.deepEqual(parseHit('65535:TCP', 1, 'udp'), { port: 65535, protocol: 'tcp' });
  });

  it('refuses everything else, naming the hit by its position and not by its port', () => {
    for (const text of ['0', '65536', '70000', '-1', '1.5', '', ':udp', 'ssh', ' 7000', '7000 ']) {
      assert.throws(() => parseHit(text, 3, 'tcp'), { message: /^hit 3: the port must be/ }, text);
    }
    for (const text of ['7000:', '7000:upd', '7000:udp:tcp', '7000:sctp'])
      assert.throws(
        () => parseHit(text, 2, 'tcp'),
        (error: Error) =>
          /^hit 2: the protocol must/.test(error.message) && !/7000/.test(error.message),
        text,
      );
  });
});
