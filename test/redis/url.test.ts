import assert from 'node:assert/strict';
import { assert as check, property, string, tuple } from 'fast-check';
import { parseRedisUrl } from '../../src/redis/url.js';

const server = (host: string, port = 6379, rest = {}) => ({
  kind: 'server',
  server: { host, port },
  db: 0,
  tls: false,
  ...rest,
});
const sentinels = (...hosts: string[]) => hosts.map((host) => ({ host, port: 26_379 }));

const GOOD: readonly (readonly [url: string, address: object])[] = [
  ['redis://localhost', server('localhost')],
  ['redis://localhost/', server('localhost')],
  ['REDIS://Example.net:1', server('Example.net', 1)],
  ['redis://192.0.2.10:6380/15', server('192.0.2.10', 6380, { db: 15 })],
  ['redis://[2001:db8::1]', server('2001:db8::1')],
  ['rediss://[::1]:6380/2', server('::1', 6380, { db: 2, tls: true })],
  ['redis://ann:pw@h', server('h', 6379, { username: 'ann', password: 'pw' })],
  ['redis://:pw@h', server('h', 6379, { password: 'pw' })],
  ['redis://ann@h', server('h', 6379, { username: 'ann' })],
  ['redis://ann:@h', server('h', 6379, { username: 'ann' })],
  ['redis://:a:b@c@h', server('h', 6379, { password: 'a:b@c' })],
  ['redis://:p%40ss%3Aw%2Frd@h', server('h', 6379, { password: 'p@ss:w/rd' })],
  ['unix:/run/redis.sock', { kind: 'socket', path: '/run/redis.sock' }],
  ['unix:///run/redis%20a.sock', { kind: 'socket', path: '/run/redis a.sock' }],
  ['unix://localhost/run/a', { kind: 'socket', path: '/run/a' }],
  ['unix://:pw@/run/a', { kind: 'socket', path: '/run/a', password: 'pw' }],
  [
    'redis+sentinel://a,b:5000,[::1]:5001/the-one',
    {
      kind: 'sentinel',
      sentinels: [...sentinels('a'), { host: 'b', port: 5000 }, { host: '::1', port: 5001 }],
      master: 'the-one',
      db: 0,
      tls: false,
    },
  ],
  [
    'rediss+sentinel://ann:p%2Cw@a,b/my_1.x/3',
    {
      kind: 'sentinel',
      sentinels: sentinels('a', 'b'),
      master: 'my_1.x',
      db: 3,
      tls: true,
      username: 'ann',
      password: 'p,w',
    },
  ],
];

const BAD = [
  '',
  'redis',
  'redis:',
  'redis:/h',
  'redis://',
  'redis:///1',
  'redis://:6379',
  'redis://h:0',
  'redis://h:65536',
  'redis://h:',
  'redis://h:6379:1',
  'redis://h/x',
  'redis://h/1/2',
  'redis://h/-1',
  'redis://a,b',
  'redis://::1',
  'redis://[::1',
  'redis://[::g]',
  'redis://[127.0.0.1]',
  'redis://1.2.3',
  'redis://256.1.1.1',
  'redis://-h',
  'redis://h h',
  ' redis://h',
  'redis://h\n',
  'redis://h?db=2',
  'redis://h#1',
  'redis://a%zz:b@h',
  'redis://a:%@h',
  'http://h',
  'sentinel://h/m',
  'rediss+unix://h',
  'unix:',
  'unix:/',
  'unix:run/a',
  'unix://',
  'unix://h/run/a',
  `unix:/${'a'.repeat(107)}`,
  'redis+sentinel://h',
  'redis+sentinel://h/',
  'redis+sentinel:///m',
  'redis+sentinel://h,/m',
  'redis+sentinel://h,,g/m',
  'redis+sentinel://h/m m',
  'redis+sentinel://h/m/x',
  'redis+sentinel://h/m/1/2',
];

const seed = Number(process.env['REDIS_SEED'] ?? Math.floor(Math.random() * 1e9));
const numRuns = Number(process.env['REDIS_URLS'] ?? 2000);

describe(`parseRedisUrl (REDIS_SEED=${seed})`, () => {
  for (const [url, address] of GOOD) {
    it(`understands ${url}`, () => assert.deepEqual(parseRedisUrl(url), address));
  }

  for (const url of BAD) {
    it(`refuses ${JSON.stringify(url)}`, () => {
      assert.throws(() => parseRedisUrl(url), { code: 'POSTERN_E_REDIS' });
    });
  }

  it('takes a path as long as a socket may have', () => {
    const path = `/${'a'.repeat(106)}`;
    assert.deepEqual(parseRedisUrl(`unix:${path}`), { kind: 'socket', path });
  });

  it('gives any user and password back that was percent-encoded', () => {
    check(
      property(
        tuple(string({ unit: 'grapheme' }), string({ unit: 'grapheme' })),
        ([user, word]) => {
          const url = `redis+sentinel://${encodeURIComponent(user)}:${encodeURIComponent(word)}@h/m`;
          const { username = '', password = '' } = parseRedisUrl(url);
          assert.deepEqual([username, password], [user, word]);
        },
      ),
      { seed, numRuns },
    );
  });

  it('never repeats what it was given, and throws nothing else', () => {
    const secret = 'Xq7Zk2';
    check(
      property(string(), string(), string(), (a, b, c) => {
        for (const scheme of ['redis', 'rediss+sentinel', 'unix', a]) {
          try {
            parseRedisUrl(`${scheme}://${b}${secret}${c}`);
          } catch (error) {
            assert.equal((error as { code?: string }).code, 'POSTERN_E_REDIS');
            assert.ok(!String((error as Error).stack).includes(secret));
            assert.equal((error as Error).cause, undefined);
          }
        }
      }),
      { seed, numRuns },
    );
  });
});
