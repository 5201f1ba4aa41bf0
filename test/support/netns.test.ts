import assert from 'node:assert/strict';
import { once } from 'node:events';
import { CLIENT6, createNetwork, type Network, SERVER4, SERVER6 } from './netns.js';
import { pidAlive } from './processes.js';
import { requireRoot } from './root.js';
import { run } from './run.js';

describe('a test network', () => {
  let network: Network;
  before(async function () {
    requireRoot(this);
    network = await createNetwork({ clientAddresses: ['192.0.2.77', 'fd00:db8::77'] });
  });
  async function reply(localAddress: string, host: string): Promise<string> {
    const options = JSON.stringify({ localAddress, host, port: 9 });
    const script = `require("net").connect(${options}).on("error",(e)=>console.log(e.code))`;
    return network.must('client', [process.execPath, '-e', script]);
  }
  after(() => network?.dispose());

  it('carries IPv4 and IPv6 between the two sides, from every address of the client', async () => {
    for (const [from, to] of [
      ['192.0.2.77', SERVER4],
      ['fd00:db8::77', SERVER6],
      [CLIENT6, SERVER6],
    ] as const) {
      // Refused at once, so the packet came back from the other side.
      const text = await reply(from, to);
      assert.match(text, /ECONNREFUSED/, `${from} to ${to}`);
    }
  });

  it('tells an open port from a closed one', async () => {
    const listen = 'require("net").createServer().listen(2222,"::",()=>console.log("up"))';
    const server = network.spawn('server', [process.execPath, '-e', listen]);
    assert.ok(server.stdout);
    await once(server.stdout, 'data');
    assert.equal(await network.connects('client', SERVER4, 2222), true);
    assert.equal(await network.connects('client', SERVER6, 2222), true);
    assert.equal(await network.connects('client', SERVER4, 2223), false);
  });

  it('leaves no process and no namespace behind', async () => {
    const own = await createNetwork();
    // Ignores SIGTERM and has a child in the background that nobody waits for.
    const script = 'trap "" TERM; sleep 60 & echo $!; wait';
    const stubborn = own.spawn('client', ['bash', '-c', script]);
    assert.ok(stubborn.stdout);
    const [said] = (await once(stubborn.stdout, 'data')) as [Buffer];
    await own.dispose();
    assert.equal(pidAlive(stubborn.pid ?? 0), false);
    assert.equal(pidAlive(Number(said.toString())), false);
    const { stdout } = await run(['ip', 'netns', 'list']);
    assert.ok(!stdout.includes(own.namespaces.client));
    await own.dispose();
  });
});
