import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { fixedHost, type HostFacts, HostWatch } from '../../src/capture/host-view.js';
import { chooseInterfaces } from '../../src/capture/link.js';
import { listeningTcp, unconnectedUdp } from '../../src/capture/listeners.js';
import { requireRoot } from '../support/root.js';
import { mustRun } from '../support/run.js';

/** A host that tests change. */
function fakeHost() {
  const state = {
    addresses: new Map<string, readonly string[]>([
      ['eth0', ['192.0.2.1', 'fe80::1']],
      ['wg0', ['10.0.0.1']],
    ]),
    tcp: [22],
    udp: [53],
  };
  const facts: HostFacts = {
    addresses: () => state.addresses,
    ask: async () => state.addresses,
    tcp: () => new Set(state.tcp),
    udp: () => new Set(state.udp),
  };
  return { state, facts };
}

describe('the view of the host', () => {
  it('knows the addresses of each interface, and all of them for any', () => {
    const { facts } = fakeHost();
    const watch = new HostWatch(['eth0', 'wg0', 'any', 'gone'], () => {}, facts);
    const local = (address: string) => [0, 1, 2, 3].map((i) => watch.isLocal(address, i));
    assert.deepEqual(local('192.0.2.1'), [true, false, true, false]);
    assert.deepEqual(local('10.0.0.1'), [false, true, true, false]);
    assert.deepEqual(local('fe80::1'), [true, false, true, false]);
    assert.deepEqual(local('203.0.113.1'), [false, false, false, false]);
  });

  it('says when addresses or listeners change, and only then', () => {
    const { state, facts } = fakeHost();
    const changes: string[] = [];
    const watch = new HostWatch(['eth0'], (what) => changes.push(what), facts);
    const look = () => {
      watch.checkAddresses();
      watch.checkListeners();
    };
    look();
    assert.deepEqual(changes, []);
    state.addresses.set('wg0', []);
    look();
    assert.deepEqual(changes, []);
    state.addresses.set('eth0', ['192.0.2.2']);
    look();
    assert.deepEqual(changes, ['addresses']);
    assert.deepEqual([watch.isLocal('192.0.2.1', 0), watch.isLocal('192.0.2.2', 0)], [false, true]);
    state.tcp = [22, 80];
    look();
    assert.deepEqual(changes, ['addresses', 'listening']);
    assert.deepEqual(
      [80, 81].map((port) => watch.isListening('tcp', port)),
      [true, false],
    );
    assert.equal(watch.isListening('udp', 80), false);
  });

  it('takes a UDP socket for a service only when it is there twice in a row', () => {
    const { state, facts } = fakeHost();
    const watch = new HostWatch(['eth0'], () => {}, facts);
    state.udp = [53, 40_000];
    watch.checkListeners();
    assert.equal(watch.isListening('udp', 40_000), false);
    state.udp = [53, 50_000];
    watch.checkListeners();
    assert.equal(watch.isListening('udp', 40_000), false);
    watch.checkListeners();
    assert.deepEqual(
      [53, 50_000].map((port) => watch.isListening('udp', port)),
      [true, true],
    );
  });

  it('can be given, for a replay', () => {
    const host = fixedHost({
      addresses: ['192.0.2.1', 'FD00:0:0::1'],
      listening: [{ port: 22, protocol: 'tcp' }],
    });
    assert.ok(host.isLocal('192.0.2.1', 0) && host.isLocal('fd00::1', 5));
    assert.ok(!host.isLocal('192.0.2.2', 0));
    assert.deepEqual([host.isListening('tcp', 22), host.isListening('udp', 22)], [true, false]);
  });
});

describe('listening ports', () => {
  it('are those of listening TCP and of unconnected UDP sockets, over IPv4 and IPv6', async () => {
    for (const [host, type] of [
      ['127.0.0.1', 'udp4'],
      ['::1', 'udp6'],
    ] as const) {
      const server = createServer().listen(0, host);
      await once(server, 'listening');
      const service = createSocket(type).bind(0, host);
      await once(service, 'listening');
      const client = createSocket(type);
      client.connect(9, host);
      await once(client, 'connect');
      const { port } = server.address() as AddressInfo;
      try {
        assert.ok(listeningTcp().has(port));
        assert.ok(unconnectedUdp().has(service.address().port));
        assert.ok(!unconnectedUdp().has(client.address().port));
      } finally {
        for (const one of [server, service, client]) one.close();
      }
      await once(server, 'close');
      assert.ok(!listeningTcp().has(port));
    }
  });
});

describe('the choice of interfaces (G8)', () => {
  it('takes those configured, each once', async () => {
    assert.deepEqual(await chooseInterfaces(['wg0', 'eth5', 'wg0']), ['wg0', 'eth5']);
  });

  it("takes the default route's when none is configured and there is no eth0", async function () {
    requireRoot(this);
    const name = `ptr${process.pid}`;
    const link = fileURLToPath(new URL('../../src/capture/link.js', import.meta.url));
    const ask = `import("${link}").then(async (l) => console.log(...await l.chooseInterfaces()))`;
    const chosen = async () =>
      (await mustRun(['ip', 'netns', 'exec', name, process.execPath, '-e', ask])).trim();
    const ip = (line: string) => mustRun(['ip', '-n', name, ...line.split(' ')]);
    await mustRun(['ip', 'netns', 'add', name]);
    try {
      assert.equal(await chosen(), 'eth0');
      await ip('link add wan0 type veth peer name wan1');
      for (const link of ['wan0', 'wan1']) await ip(`link set ${link} up`);
      await ip('addr add fd00:db8:9::1/64 dev wan0 nodad');
      await ip('-6 route add default via fd00:db8:9::2 dev wan0');
      assert.equal(await chosen(), 'wan0');
      await ip('addr add 192.0.2.1/24 dev wan1');
      await ip('route add default via 192.0.2.9 dev wan1');
      assert.equal(await chosen(), 'wan1');
      await ip('link add eth0 type veth peer name eth1');
      assert.equal(await chosen(), 'eth0');
    } finally {
      await mustRun(['ip', 'netns', 'del', name]);
    }
  });

  it('lets any stand for all', async () => {
    assert.deepEqual(await chooseInterfaces(['eth0', 'any']), ['any']);
  });
});
