import assert from 'node:assert/strict';
import { timedElements } from '../../../sinks/nftables/listing.js';
import { lossIn } from '../../../sinks/nftables/monitor.js';
import { nftError, refusalIn } from '../../../sinks/nftables/refusal.js';
import { TableName } from '../../../sinks/nftables/script.js';

const own = TableName.of({ family: 'inet', name: 'postern' });
const users = TableName.of({ family: 'inet', name: 'filter' });

describe('what nft says', () => {
  it('errors are told apart by what can be done about them', () => {
    const kinds = {
      'Error: Could not process rule: No such file or directory': 'absent',
      '/dev/stdin:1:1-3: Error: Could not process rule: File exists': 'exists',
      'Error: Could not process rule: Too many open files in system': 'full',
      'netlink: Error: cache initialization failed: Operation not permitted': 'denied',
      'Error: Could not process rule: Cannot allocate memory': 'other',
    };
    for (const [text, kind] of Object.entries(kinds)) assert.equal(refusalIn(text)?.kind, kind);
    assert.equal(refusalIn('     ^^^^\n'), undefined);
  });

  it('no address is in an error that goes to the log', () => {
    const refusal = refusalIn('Error: Could not process rule: File exists\nadd 192.0.2.7\n  ^^^\n');
    assert.doesNotMatch(nftError(refusal).message, /192/);
  });

  it('the monitor’s words about our table are heard, others’ are not', () => {
    const heard = {
      'delete set inet postern allow6r': 'vanished',
      'delete set inet postern __set0': 'touched',
      '# ERROR: We lost some netlink events!': 'touched',
      'delete set ip postern allow4': undefined,
      'delete set inet filter allow4': undefined,
      'add set inet postern allow4 { type ipv4_addr; }': undefined,
    };
    for (const [line, loss] of Object.entries(heard)) assert.equal(lossIn(line, own), loss, line);
    assert.equal(lossIn('delete set inet filter allow4', users), 'vanished');
    assert.equal(lossIn('delete set inet filter __set0', users), undefined);
  });

  it('of a list, the elements with a timeout that could be ours are read', () => {
    const list = `elements = { 192.0.2.1 . 6 . 22 timeout 1h expires 59m,
                     192.0.2.2 . udp . 53 timeout 5s expires 1s, 192.0.2.3 . 6 . 22,
                     10.0.0.0/8 . 6 . 22 timeout 1h, 192.0.2.4 . 6 . 22-30 timeout 1h }`;
    const texts = (set: 'allow4' | 'allow4r' | 'allow6') =>
      timedElements(list.replace(set === 'allow4' ? /, 192.0.2.4[^}]*/ : '', ''), set).map(
        ({ text }) => text,
      );
    assert.deepEqual(texts('allow4'), ['192.0.2.1 . tcp . 22', '192.0.2.2 . udp . 53']);
    assert.ok(texts('allow4r').includes('192.0.2.4 . tcp . 22-30'));
  });
});
