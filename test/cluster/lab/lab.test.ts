import assert from 'node:assert/strict';
import { commandDoor, confOf } from '../../crash/doors.js';
import { eventually } from '../../support/eventually.js';
import { pidAlive } from '../../support/processes.js';
import { run } from '../../support/run.js';
import { CLIENT, type Cluster, useClusters } from './cluster.js';
import { REDIS4 } from './network.js';

const COMMANDS = commandDoor('commands', [7001, 9001, 8001], 2221, { cmdTimeout: 2 });
const ALLOW = [7002, 9002, 8002];
const allowed = `[kernel]\n\tsequence = ${ALLOW}\n\ttcpflags = syn\n\tallow = 2222/tcp\n\tcmd_timeout = 2\n`;

describe('the laboratory of the cluster', function () {
  this.timeout(60_000);
  const make = useClusters();
  const alone = () =>
    make({
      joined: false,
      sources: ['192.0.2.31'],
      configuration: ({ folder }) => `${confOf([COMMANDS], folder)}\n${allowed}`,
      before: async ({ network }) => {
        const { argv, input = '' } = COMMANDS.shut ?? { argv: [] };
        await network.must('server', argv, { input });
      },
    });

  const reach = ({ hosts, client }: Cluster, port: number, source?: string) =>
    Promise.all(hosts.map(({ v4 }) => client.connects(v4, port, source)));

  it('has three hosts, each of which opens and closes by itself, with commands and with nftables', async () => {
    const cluster = await alone();
    const { client } = cluster;
    const [b1, b2, b3] = cluster.hosts;
    assert.ok(b1 && b2 && b3);
    for (const port of [2221, 2222]) {
      assert.deepEqual(await reach(cluster, port), [false, false, false], 'shut');
    }
    assert.deepEqual(await reach(cluster, 2223), [true, true, true], 'no door: not guarded');
    await client.knock([b1.v4], COMMANDS.sequence);
    await client.knock([b2.v4, b3.v4], ALLOW, { source: '192.0.2.31' });
    await eventually('b1 opens', () => client.connects(b1.v4, 2221));
    await eventually('b2 opens', () => client.connects(b2.v4, 2222, '192.0.2.31'));
    await eventually('b3 opens', () => client.connects(b3.v4, 2222, '192.0.2.31'));
    assert.deepEqual(await reach(cluster, 2221), [true, false, false]);
    assert.deepEqual(await reach(cluster, 2222), [false, false, false], 'its source alone');
    const grants = await Promise.all(
      cluster.hosts.map(async (host) => (await host.status()).grants),
    );
    assert.deepEqual(
      grants.map(([grant]) => grant?.source),
      [CLIENT.v4, '192.0.2.31', '192.0.2.31'],
    );
    assert.match(await b2.ruleset(), /elements = \{ 192\.0\.2\.31 \. tcp \. 2222/);
    await eventually('all shut', async () => (await reach(cluster, 2221)).every((open) => !open), {
      withinMs: 5000,
    });
    const closed = async () => (await b1.events()).some(({ type }) => type === 'Closed');
    await eventually('closed by its command', closed);
    // UDP and IPv6 arrive as well.
    await client.knock([b3.v6], ['9002', '8002:udp', '7002']);
    await client.knock([b3.v6], ALLOW);
    await eventually('b3 opens for IPv6', () => client.connects(b3.v6, 2222));
  });

  it('cuts one host off from Redis, while clients and the others go on', async () => {
    const cluster = await make({ joined: true, start: false, configuration: () => '' });
    const { client, redis, network } = cluster;
    const [b1, b2] = cluster.hosts;
    assert.ok(b1 && b2);
    const reaches = ({ place }: { place: typeof b1.place }) =>
      network.at(place).connects('server', REDIS4, redis.port);
    assert.deepEqual([await reaches(b1), await reaches(b2)], [true, true]);
    await cluster.partition(b1);
    await cluster.partition(b1);
    assert.deepEqual([await reaches(b1), await reaches(b2)], [false, true]);
    assert.equal(await client.connects(b1.v4, 2221), true);
    assert.equal(await client.connects(b1.v6, 2221), true);
    await cluster.heal(b1);
    await cluster.heal(b1);
    await eventually('b1 reaches it again', () => reaches(b1));
  });

  it('has a Redis with a password that keeps its data when it is killed, and can be frozen', async () => {
    const { redis, network } = await make({ start: false, configuration: () => '' });
    const b1 = network.at('b1');
    const said = await b1.must('server', ['redis-cli', '-h', REDIS4, 'ping']);
    assert.match(said, /NOAUTH/);
    const inside = redis.connect();
    await inside.set('kept', 'yes');
    const killed = redis.pid;
    await redis.kill();
    assert.equal(pidAlive(killed), false);
    await redis.start();
    assert.notEqual(redis.pid, killed);
    assert.equal(await inside.get('kept'), 'yes');
    redis.freeze();
    let isAnswered = false;
    const answer = inside.get('kept').then(() => {
      isAnswered = true;
    });
    // The kernel still takes connections of a stopped process.
    assert.equal(await b1.connects('server', REDIS4, redis.port), true);
    assert.equal(isAnswered, false);
    redis.thaw();
    await answer;
  });

  it('kills and restarts a host, which keeps its folder', async () => {
    const cluster = await alone();
    const { client } = cluster;
    const [b1] = cluster.hosts;
    assert.ok(b1);
    await client.knock([b1.v4], COMMANDS.sequence);
    await eventually('open', async () => (await b1.status()).grants.length === 1);
    await b1.kill();
    assert.equal(b1.isRunning, false);
    await b1.start();
    await eventually(
      'closed',
      async () => (await b1.events()).some(({ type }) => type === 'Closed'),
      {
        withinMs: 5000,
      },
    );
    await b1.restart();
    assert.equal(b1.said(/^listening on/).length, 3);
  });

  it('sees from outside when a service was reached', async () => {
    const { client, hosts } = await make({ start: false, joined: false, configuration: () => '' });
    const [b1] = hosts;
    assert.ok(b1);
    const [open, shut] = [2221, 2220].map((port) => ({ host: b1.v4, port }));
    assert.ok(open && shut);
    client.watch([open, shut], 20);
    await eventually(
      'tried',
      () => client.isOpen(shut) !== undefined && client.openings.length > 2,
    );
    assert.equal(client.isOpen(open), true);
    assert.equal(client.isOpen(shut), false);
    assert.equal(client.isOpen(open, Date.now() + 60_000), undefined);
  });

  it('leaves no process, no namespace and no folder behind', async () => {
    const cluster = await make({ joined: true, start: false, configuration: () => '' });
    const { redis, network } = cluster;
    const stubborn = network
      .at('b2')
      .spawn('server', ['bash', '-c', 'trap "" TERM; sleep 60 & wait']);
    redis.freeze();
    await cluster.dispose();
    assert.equal(pidAlive(redis.pid), false);
    assert.equal(pidAlive(stubborn.pid ?? 0), false);
    const { stdout } = await run(['ip', 'netns', 'list']);
    assert.ok(!stdout.includes(network.name));
  });
});
