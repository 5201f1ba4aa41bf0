import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseConfiguration } from '../../config/parse.js';
import { configurationWarnings } from '../../config/warnings.js';
import { loads } from './support/parsed.js';

const PLAIN = ['cluster = edge', 'redis = redis://192.0.2.10'];
const TLS = ['cluster = edge', 'redis = rediss://192.0.2.10'];

const options = (...lines: readonly string[]) => ['[options]', ...lines, ''].join('\n');

/** Errors as `LINE message`. */
function errors(...lines: readonly string[]): readonly string[] {
  const { diagnostics } = parseConfiguration(options(...lines), 'file.conf');
  return diagnostics
    .filter(({ severity }) => severity === 'error')
    .map(({ code, line, message }) => {
      assert.equal(code, 'POSTERN_E_CONFIG_VALUE');
      return `${line} ${message}`;
    });
}

/** Warnings of the two codes that are about clusters, as `LINE CODE message`. */
function warned(text: string): readonly string[] {
  const { configuration, places } = parseConfiguration(text, 'file.conf');
  assert.ok(configuration);
  return configurationWarnings(configuration, places)
    .filter(({ code }) => /MISPLACED|RUN_ON/.test(code))
    .map(({ line, code, message }) => `${line} ${code.replace('POSTERN_W_', '')} ${message}`);
}

describe('the options of a cluster', () => {
  it('are read', () => {
    const text = options(
      'Cluster = edge-1',
      'HOST = b.1_x',
      'cluster_key_file = /k',
      'redis = rediss+sentinel://me:secret@192.0.2.1,redis2.example.net:26380/edge/2',
      'redis_ca_file = /ca',
      'redis_cert_file = /cert',
      'redis_key_file = /key',
      'redis_wait = 2',
      'clock_tolerance = 0.5',
      'run_on = Once',
    );
    const read = loads(`${text}[a]\nsequence = 1,3,2\n[b]\nsequence = 4,6,5\nrun_on = here\n`);
    const { cluster, host, clusterKeyFile, redis, redisWait, clockToleranceMs } = read.options;
    assert.deepEqual(
      { cluster, host, clusterKeyFile, redis, redisWait, clockToleranceMs },
      {
        cluster: 'edge-1',
        host: 'b.1_x',
        clusterKeyFile: '/k',
        redis: 'rediss+sentinel://me:secret@192.0.2.1,redis2.example.net:26380/edge/2',
        redisWait: 2,
        clockToleranceMs: 500,
      },
    );
    const { redisCaFile, redisCertFile, redisKeyFile } = read.options;
    assert.deepEqual([redisCaFile, redisCertFile, redisKeyFile], ['/ca', '/cert', '/key']);
    assert.deepEqual(
      read.doors.map(({ runOn }) => runOn),
      ['once', 'here'],
    );
    assert.ok(!('runOn' in read.options));
  });

  it('take each form of a URL of Redis', () => {
    for (const url of [
      'redis://redis.example.net',
      'redis://:pass@[2001:db8::1]:6380/3',
      'rediss://user:pa%40ss@192.0.2.10:6380',
      'redis+sentinel://192.0.2.1,192.0.2.2:26380/edge',
      'rediss+sentinel://user:pass@a,b,c/edge/1',
      'unix:/run/redis.sock',
      'unix:///run/redis.sock',
    ])
      assert.equal(loads(options('cluster = c', `redis = ${url}`)).options.redis, url);
  });

  it('refuse what is no URL of Redis, and never quote it', () => {
    for (const url of [
      '',
      'redis.example.net',
      'http://hunter2@192.0.2.1',
      'redis://:hunter2@192.0.2.1:99999',
      'redis://:hunter2@',
      'redis+sentinel://:hunter2@192.0.2.1',
      'redis://:hunter2%zz@192.0.2.1',
      'redis://:hunter2@192.0.2.1/x',
      'unix:hunter2',
    ]) {
      const found = errors('cluster = c', `redis = ${url}`);
      assert.equal(found.length, 1, url);
      assert.match(found[0]!, /^3 redis takes a URL; .*redis:\/\/\[user:password@\]host/);
      assert.doesNotMatch(found[0]!, /hunter2|192\.0/);
    }
  });

  it('take names that keys and ids can hold, and times and counts within bounds', () => {
    for (const name of ['', 'a b', 'a:b', 'ä', 'x'.repeat(65), 'a/b', '*'])
      for (const directive of ['cluster', 'host'])
        assert.match(
          errors(`${directive} = ${name}`, ...PLAIN.slice(directive === 'host' ? 0 : 1)).join(),
          new RegExp(`^2 ${directive} takes a name of 1 to 64 letters`),
        );
    for (const line of ['clock_tolerance = 0', 'clock_tolerance = 61', 'clock_tolerance = x'])
      assert.match(errors(...PLAIN, line).join(), /^4 clock_tolerance takes a number of seconds/);
    assert.match(errors(...PLAIN, 'redis_wait = -1').join(), /^4 redis_wait takes a whole number/);
    assert.match(errors(...PLAIN, 'cluster_key_file = k').join(), /^4 .*begins with \//);
    assert.match(errors('run_on = all').join(), /^2 run_on takes one of: here, everywhere, once$/);
  });

  const MISSING: readonly (readonly [string, readonly string[], RegExp])[] = [
    ['cluster without redis', ['cluster = c'], /^2 cluster needs .*redis = redis:\/\/HOST/],
    ['redis without cluster', ['redis = redis://h'], /^2 redis is .*add cluster = NAME/],
    ['a password without redis', ['redis_password_file = /p'], /^2 redis_password_file is about/],
    ['redis_wait without redis', ['redis_wait = 1'], /^2 redis_wait is about redis/],
    ['a CA without redis', ['redis_ca_file = /p'], /^2 redis_ca_file is about redis/],
    ['a certificate without its key', [...TLS, 'redis_cert_file = /c'], /^4 redis_cert_file needs/],
    ['a key without its certificate', [...TLS, 'redis_key_file = /k'], /^4 redis_key_file needs/],
    ['a CA without TLS', [...PLAIN, 'redis_ca_file = /c'], /^4 redis_ca_file is for TLS/],
    [
      'a CA with a socket',
      ['cluster = c', 'redis = unix:/s', 'redis_ca_file = /c'],
      /^4 redis_ca_file is for TLS/,
    ],
    [
      'a CA with Sentinels without TLS',
      ['cluster = c', 'redis = redis+sentinel://h/m', 'redis_ca_file = /c'],
      /^4 redis_ca_file is for TLS/,
    ],
    [
      'two passwords',
      ['cluster = c', 'redis = redis://:p@h', 'redis_password_file = /p'],
      /^4 redis has a password in its URL too/,
    ],
  ];
  for (const [what, lines, said] of MISSING)
    it(`do not go together: ${what}, by its line`, () => {
      const found = errors(...lines);
      assert.equal(found.length, 1, found.join('\n'));
      assert.match(found[0]!, said);
    });

  it('of which one is in error miss nothing besides', () => {
    assert.equal(errors('cluster = a b', 'redis = redis://h').length, 1);
    assert.equal(errors('cluster = c', 'redis = nonsense', 'redis_ca_file = /c').length, 1);
    assert.equal(errors(...TLS, 'redis_cert_file = c', 'redis_key_file = /k').length, 1);
  });

  it('go together with TLS and Sentinels, in any order', () => {
    const all = [
      ...['cluster = c', 'redis = rediss+sentinel://a,b/m', 'redis_password_file = /p'],
      ...['redis_ca_file = /ca', 'redis_cert_file = /c', 'redis_key_file = /k', 'redis_wait = 1'],
    ];
    fc.assert(
      fc.property(fc.shuffledSubarray(all, { minLength: all.length }), (lines) => {
        assert.deepEqual(errors(...lines), []);
      }),
      { numRuns: 50 },
    );
  });
});

describe('warnings about clusters', () => {
  const door = (...lines: readonly string[]) =>
    ['[d]', 'sequence = 27000,29000,28000', 'tcpflags = syn', ...lines, ''].join('\n');
  const inCluster = options(...PLAIN);

  it('name what has no effect on a host alone, by its line', () => {
    const given = ['cluster_key_file = /k', 'clock_tolerance = 3', 'run_on = here'];
    assert.deepEqual(warned(options(...given) + door('command = x', 'run_on = everywhere')), [
      '2 MISPLACED cluster_key_file has no effect, for this host is in no cluster',
      '3 MISPLACED clock_tolerance has no effect, for this host is in no cluster',
      '4 MISPLACED run_on has no effect, for this host is in no cluster',
      '9 MISPLACED run_on has no effect at door [d], for this host is in no cluster',
    ]);
    assert.deepEqual(warned(options(...PLAIN, ...given) + door('command = x', 'run_on=once')), []);
    assert.deepEqual(warned(options('host = b1') + door('command = x')), []);
  });

  const CLOSING: readonly (readonly [string, readonly string[]])[] = [
    ['a stop command', ['command = x %IP%', 'stop_command = y %IP%', 'cmd_timeout = 5']],
    ['a stop command for IPv6', ['command_6 = x', 'stop_command_6 = y', 'cmd_timeout = 5']],
    ['allow', ['allow = 22/tcp', 'cmd_timeout = 5']],
    ['a rule for the firewall', ['command = iptables -I INPUT -s %IP% -j ACCEPT']],
  ];
  for (const [what, lines] of CLOSING)
    it(`name a door with ${what} that opens on one host of many, any`, () => {
      const found = warned(inCluster + door(...lines, 'run_on = once'));
      assert.equal(found.length, 1);
      assert.match(found[0]!, /RUN_ON door \[d\] opens on one host.*run_on = everywhere/);
      assert.match(found[0]!, new RegExp(`^${8 + lines.length - 1} `));
      for (const fine of ['here', 'everywhere'])
        assert.deepEqual(warned(inCluster + door(...lines, `run_on = ${fine}`)), []);
    });

  it('name the line of [options] where that says once for every door', () => {
    const text = options(...PLAIN, 'run_on = once') + door('allow = 22/tcp', 'cmd_timeout = 5');
    assert.match(warned(text).join(), /^4 RUN_ON/);
  });

  it('are not given for a command that one host is to run, or one-time sequences', () => {
    assert.deepEqual(warned(inCluster + door('command = backup', 'run_on = once')), []);
    const oneTime = '[d]\none_time_sequences = /f\nallow = 22/tcp\ncmd_timeout = 5\nrun_on = once';
    assert.deepEqual(warned(`${inCluster}${oneTime}\n`), []);
    assert.deepEqual(warned(inCluster + door('command = wake', 'run_on = everywhere')), []);
  });
});
