import assert from 'node:assert/strict';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { type CapturedFrame, readCapture } from '../../src/replay/pcap.js';
import { createNetwork, type Network, SERVER4 } from '../support/netns.js';
import { endProcess } from '../support/processes.js';
import { requireRoot } from '../support/root.js';

describe('reading what tcpdump writes', () => {
  let network: Network;
  before(async function () {
    requireRoot(this);
    network = await createNetwork();
  });
  after(() => network?.dispose());

  for (const [what, flags, linkType, ports] of [
    ['Ethernet, nanoseconds', ['--time-stamp-precision=nano'], 1, 36],
    ['every interface: Linux cooked v2', ['-i', 'any'], 276, 42],
    ['every interface: Linux cooked', ['-i', 'any', '-y', 'LINUX_SLL'], 113, 38],
  ] as const)
    it(`gives time, link type and frame: ${what}`, async () => {
      const device = ['-i', network.interfaces.server];
      const options = ['-Q', 'in', '--immediate-mode', '-U', '-w', '-'];
      const argv = ['tcpdump', ...device, ...flags, ...options, 'udp port 7001'];
      const tcpdump = network.spawn('server', argv);
      assert.ok(tcpdump.stdout && tcpdump.stderr);
      await once(tcpdump.stderr, 'data');
      const frames = readCapture('-', { stdin: tcpdump.stdout });
      const first = frames.next();
      await network.must('client', ['knock', SERVER4, '7001:udp']);
      const late = setTimeout(5_000, undefined, { ref: false });
      const got: CapturedFrame | undefined = (await Promise.race([first, late]))?.value;
      await endProcess(tcpdump);
      await frames.return(undefined);
      assert.equal(got?.linkType, linkType);
      assert.ok(Math.abs(got.atMs - Date.now()) < 10_000);
      // The UDP destination port, where the link type says that it is.
      assert.deepEqual([...got.frame.subarray(ports, ports + 2)], [7001 >> 8, 7001 & 255]);
    });
});
