import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { CLUSTER_DIRECTIVES } from '../../config/cluster.js';
import { DOOR_DIRECTIVES } from '../../config/doors.js';
import { OPTION_DIRECTIVES, SHARED_DIRECTIVES } from '../../config/options.js';
import { openSharedRedis } from '../../src/cluster/shared-redis.js';
import type { OnceEntry, SharedRedis } from '../../src/cluster/types.js';
import { silentLog } from '../../src/log/types.js';
import { kernelDoor, triggerDoor, withDoors } from '../cluster/e2e/doors.js';
import { CLUSTER, useClusters } from '../cluster/lab/cluster.js';
import { Scratch, strangeRedis } from '../redis/support.js';
import { eventually } from '../support/eventually.js';
import { poll } from '../support/poll.js';
import { endProcess } from '../support/processes.js';
import { mustRun } from '../support/run.js';
import { codes, page } from './pages.js';

const PAGE = 'docs/cluster.md';
const POSTERN = fileURLToPath(new URL('../../src/cli/postern.js', import.meta.url));
/** What the shell makes of the command in the page, and a password of the operator's. */
const PASSWORD = 'of-the-page';

/** The lines of /etc/redis/postern.acl. */
async function aclLines(): Promise<string[]> {
  const lines = [...(await page(PAGE)).matchAll(/^user (?:default|postern|admin) o.*$/gm)];
  return lines.map(([line]) =>
    line
      .replace('$(cat /etc/redis/postern.password)', PASSWORD)
      .replace('A-PASSWORD-OF-YOURS', PASSWORD),
  );
}

function sectionOf(text: string, title: string): string {
  const from = text.indexOf(title);
  assert.ok(from >= 0, title);
  return text.slice(from);
}

/** The names of subcommands in a help text. */
function subcommands(help: string): string[] {
  return [...sectionOf(help, 'Commands:').matchAll(/^ {2}([a-z]+) /gm)].map(
    ([, name = '']) => name,
  );
}

describe('docs/cluster.md', function () {
  this.timeout(60_000);

  it('names no directive that is not there, and each of the cluster', async () => {
    const all = [
      ...CLUSTER_DIRECTIVES,
      ...SHARED_DIRECTIVES,
      ...DOOR_DIRECTIVES,
      ...OPTION_DIRECTIVES,
    ];
    const known = new Set(all.flatMap(({ name, aliases = [] }) => [name, ...aliases]).map(lower));
    const text = await page(PAGE);
    const words = codes(text.replaceAll(/```[^`]*```/g, ''));
    const named = words.flatMap(
      (code) => /^([A-Za-z]+(?:_[A-Za-z]+)+)(?: = .*)?$/.exec(code)?.[1] ?? [],
    );
    assert.ok(named.length > 5);
    for (const name of named) assert.ok(known.has(lower(name)), name);
    for (const { name } of CLUSTER_DIRECTIVES) assert.ok(text.includes(name), name);
  });

  it('names no command or option of postern that is not there', async () => {
    const help = (...words: string[]) => mustRun([process.execPath, POSTERN, ...words, '--help']);
    const [top, ofCluster] = [await help(), await help('cluster')];
    const used = [...(await page(PAGE)).matchAll(/\bpostern ([a-z]+(?: [^`\n#;]*)?)/g)];
    const known = subcommands(top);
    const calls = used
      .map(([, words = '']) => words.trim().split(/\s+/))
      .filter(([first = '']) => known.includes(first));
    assert.ok(calls.length > 15, `${calls.length}`);
    for (const [first = '', second = '', third = ''] of calls) {
      if (first !== 'cluster') continue;
      assert.ok(subcommands(ofCluster).includes(second), `postern cluster ${second}`);
      if (second === 'rotate' && third !== '') assert.match(third, /^(add|use|drop)$/);
    }
    assert.match(await help('close'), /--host <name>/);
    for (const code of codes(await page(PAGE)).filter((each) => each.startsWith('postern '))) {
      const [, first = ''] = code.split(' ');
      assert.ok(known.includes(first), code);
    }
  });
});

function lower(text: string): string {
  return text.toLowerCase();
}

describe("the Redis user of docs/cluster.md, with no right but those of the page's line", function () {
  this.timeout(60_000);
  const scratch = new Scratch();
  afterEach(() => scratch.clear());

  const connect = (path: string, username: string) => {
    const redis = new Redis({ path, username, password: PASSWORD, replyMapping: 'legacy' });
    scratch.owns(() => redis.disconnect());
    return redis;
  };
  const server = async () => {
    const dir = await scratch.dir();
    const child = await strangeRedis(scratch, dir, [
      ...(await aclLines()),
      'appendonly yes',
      'appendfsync always',
    ]);
    return { child, path: `${dir}/redis.sock` };
  };
  const host = async (path: string, name: string, redisWait = 0): Promise<SharedRedis> => {
    const shared = openSharedRedis({
      target: { url: `unix://postern:${PASSWORD}@${path}` },
      ...{ cluster: 'edge', host: name, journalLength: 1000, redisWait, log: silentLog },
    });
    scratch.owns(() => shared.close());
    await poll(() => shared.isReady, `${name} is ready`);
    return shared;
  };
  const denied = async (admin: Redis) => JSON.stringify(await admin.call('ACL', 'LOG'));

  it('does all that a host asks of it, uses every right, and nothing else is allowed', async () => {
    const { path } = await server();
    const admin = connect(path, 'admin');
    const ending = new AbortController();
    const [b1, b2, careful] = [
      await host(path, 'b1'),
      await host(path, 'b2'),
      await host(path, 'b3', 1),
    ];
    assert.equal(await b1.complete('g1', ['order', 'one'], ['claim'], true), 'won');
    assert.equal(await b2.complete('g2', ['order', 'two'], ['claim'], true), 'spent');
    await assert.rejects(
      careful.complete('g3', ['order', 'three'], [], false),
      /0 of the 1 replicas/,
    );
    await b1.publish(['order', 'four'], false);
    await b1.forward(await b1.head(), [{ id: '1-0', sealed: ['report', 'one'] }]);
    await b1.addClaims([{ claim: 'other', grant: 'g1' }]);
    assert.deepEqual(await b2.claimed(['claim', 'other', 'none']), [true, true, false]);
    await b1.beat('alive');
    assert.equal((await b2.beats()).get('b1'), 'alive');
    await b2.forgetHost('b1');
    for await (const _ of b1.read()) if (_.fields.length === 0) assert.fail();
    let seen = 0;
    for await (const entry of b1.follow(undefined, ending.signal)) {
      seen += 1;
      if (seen === 4) await b1.publish(['order', 'five'], false);
      if (entry.fields[1] === 'five') break;
    }
    const next = async (shared: SharedRedis): Promise<OnceEntry> => {
      for await (const entry of shared.once(ending.signal)) return entry;
      throw new Error('the queue ended');
    };
    const given = await next(b1);
    assert.equal(await b1.take('g1'), true);
    assert.equal(await b2.take('g1'), false);
    await b1.decline(given);
    await b2.finish(await next(b2));
    const user = connect(path, 'postern');
    await user.select(1);
    await user.select(0);
    assert.equal(await denied(admin), '[]');

    const used = String(await admin.info('commandstats'));
    const [, line = ''] = await aclLines();
    const rights = [...line.matchAll(/ \+([a-z|]+)/g)].map(([, right = '']) => right);
    for (const right of rights)
      assert.ok(used.includes(`cmdstat_${right}:`), `${right} is not used`);
    for (const call of [
      ['KEYS', '*'],
      ['FLUSHALL'],
      ['CONFIG', 'GET', '*'],
      ['ACL', 'LIST'],
      ['GET', 'else'],
    ]) {
      const [command = '', ...args] = call;
      await assert.rejects(user.call(command, args), /NOPERM/, command);
    }
  });

  it('loses nothing when Redis is killed and reads its file again', async () => {
    const { child, path } = await server();
    const b1 = await host(path, 'b1');
    await b1.complete('g1', ['order', 'one'], ['claim'], true);
    await endProcess(child);
    await strangeRedis(scratch, await scratch.dir(), [...(await aclLines()), 'appendonly yes']);
    await poll(() => b1.isReady, 'b1 is back');
    assert.deepEqual(await b1.claimed(['claim']), [true]);
  });

  describe('with real hosts', () => {
    const make = useClusters();
    it('lets them take part, open everywhere and act once', async () => {
      const everywhere = kernelDoor('web', [7001, 9001, 8001], 2221, { runOn: 'everywhere' });
      const trigger = triggerDoor('backup', [7002, 9002, 8002], 'once');
      const [, line = ''] = await aclLines();
      // The lab makes passwords of its own.
      const user = line
        .replace(`>${PASSWORD}`, 'nopass')
        .replace('postern:edge:', `postern:${CLUSTER}:`);
      const cluster = await make({
        ...withDoors([everywhere, trigger]),
        ...{ bastions: 2, redis: [user], options: { redis: 'redis://postern@192.0.2.10' } },
      });
      const { hosts, client } = cluster;
      const [first] = hosts;
      assert.ok(first);
      for (const each of hosts) await each.is('joined');
      await cluster.together();
      for (const { sequence } of [everywhere, trigger]) await client.knock([first.v4], sequence);
      for (const { name, v4 } of hosts)
        await eventually(`${name} opens`, () => client.connects(v4, everywhere.port));
      const acted = async () => {
        const events = (await Promise.all(hosts.map((each) => each.events()))).flat();
        return events.filter((event) => event.type === 'Opening' && event.door === trigger.name);
      };
      await eventually('one acts', async () => (await acted()).length === 1);
      const admin = cluster.redis.connect();
      assert.equal(await denied(admin), '[]');
    });
  });
});
