import assert from 'node:assert/strict';
import { commandsFor, isShared } from '../../config/commands.js';
import { parseConfiguration } from '../../config/parse.js';
import { configurationWarnings } from '../../config/warnings.js';
import { doorOf, loads, saidOf } from './support/parsed.js';

const DOOR = ['[d]', 'sequence = 27000,29000,28000', 'tcpflags = syn'];
const GUARD = ['[options]', 'nft_guard = yes'];

const allowOf = (value: string) =>
  doorOf(...DOOR, `allow = ${value}`).allow.map(
    ({ protocol, from, to }) => `${from}-${to}/${protocol}`,
  );

/** What is wrong with a value of `allow`, with its place. */
const wrong = (value: string) => saidOf([...DOOR, `allow = ${value}`].join('\n'));

/** What is warned of in a door with these lines below the guard, as `LINE CODE`. */
function warned(...lines: readonly string[]): readonly string[] {
  const { configuration, places } = parseConfiguration(lines.join('\n'), 'file.conf');
  assert.ok(configuration);
  return configurationWarnings(configuration, places).map(
    ({ line, code }) => `${line} ${code.replace('POSTERN_W_', '')}`,
  );
}

describe('allow', () => {
  it('takes ports and ranges, each with its protocol', () => {
    assert.deepEqual(allowOf('22/tcp, 60000-61000/udp'), ['22-22/tcp', '60000-61000/udp']);
    assert.deepEqual(allowOf('53/udp,53/TCP , 1 - 65535 / tcp'), ['53-53/udp', '1-65535/tcp']);
  });

  it('makes one of entries that overlap, which the kernel would refuse', () => {
    assert.deepEqual(allowOf('22/tcp, 22/tcp'), ['22-22/tcp']);
    assert.deepEqual(allowOf('10-20/tcp, 30-40/tcp, 15-35/tcp'), ['10-40/tcp']);
    assert.deepEqual(allowOf('10-20/tcp, 15/udp, 21-30/tcp'), [
      '10-20/tcp',
      '15-15/udp',
      '21-30/tcp',
    ]);
  });

  it('says where an entry is wrong and what would be right, without a number of it', () => {
    const cases: readonly (readonly [string, RegExp])[] = [
      ['22', /^4:9 error .*needs a protocol .*\/tcp or \/udp .*"#" at entry 1/],
      ['80/tcp, 22', /^4:17 error .*at entry 2/],
      ['22/icmp', /^4:9 error .*needs a protocol/],
      ['22:tcp', /^4:9 error .*needs a protocol/],
      ['22/tcp/udp', /^4:9 error .*needs a protocol/],
      ['70000/tcp', /^4:9 error .*from 1 to 65535/],
      ['0/tcp', /^4:9 error .*from 1 to 65535/],
      ['90-80/tcp', /^4:9 error .*range low-high/],
      ['ssh/tcp', /^4:9 error .*from 1 to 65535.*"ssh\/tcp"/],
      ['22/tcp,', /^4:16 error .*nothing at entry 2/],
      ['', /^4:\d+ error .*nothing at entry 1/],
    ];
    for (const [value, said] of cases) {
      const found = wrong(value);
      assert.equal(found.length, 1, value);
      assert.match(found[0]!, said, value);
      assert.doesNotMatch(found[0]!, /70000|"22/);
    }
  });

  it('makes a door of its own of one without commands, that closes after 10 s', () => {
    const door = doorOf(...DOOR, 'allow = 22/tcp', 'kill_established = yes');
    assert.equal(door.cmdTimeoutMs, 10_000);
    assert.equal(door.killEstablished, true);
    assert.deepEqual(commandsFor(door, 4), {});
    assert.equal(isShared(door), false);
  });

  it('belongs to its source, also with commands without %IP%', () => {
    const lines = ['command = touch /run/x', 'stop_command = rm /run/x'];
    assert.equal(isShared(doorOf(...DOOR, ...lines)), true);
    assert.equal(isShared(doorOf(...DOOR, ...lines, 'allow = 22/tcp')), false);
  });
});

describe('nft_guard and nft_table', () => {
  const options = (...lines: readonly string[]) =>
    loads(['[options]', ...lines].join('\n')).options;
  const said = (...lines: readonly string[]) =>
    saidOf(['[options]', ...lines, ...DOOR, 'allow = 22/tcp'].join('\n'));

  it('are off, and read as what they name', () => {
    assert.equal(options().nftGuard, false);
    assert.equal(options().nftTable, undefined);
    assert.equal(options('nft_guard = yes').nftGuard, true);
    assert.deepEqual(options('nft_table = inet filter').nftTable, {
      family: 'inet',
      name: 'filter',
    });
    assert.deepEqual(options('nft_table = IP6  my_t-1.x').nftTable, {
      family: 'ip6',
      name: 'my_t-1.x',
    });
  });

  it('take no table that nft would not, and not the one of postern', () => {
    for (const value of [
      'filter',
      'arp x',
      'inet',
      'inet a b',
      'inet a;b',
      'inet $x',
      'inet 1x',
      '',
    ])
      assert.match(
        said(`nft_table = ${value}`)[0] ?? '',
        /^2:\d+ error .*family and the name/,
        value,
      );
    assert.match(said('nft_table = inet postern')[0] ?? '', /error .*table of your own/);
  });

  it('exclude each other', () => {
    const found = said('nft_guard = yes', 'nft_table = inet filter');
    assert.equal(found.length, 1);
    assert.match(found[0]!, /^2:13 error .*remove one of them/);
    assert.deepEqual(said('nft_guard = no', 'nft_table = inet filter'), []);
  });
});

describe('warnings about allow', () => {
  const ALLOW = ['allow = 22/tcp', 'cmd_timeout = 5'];

  it('are not given where there is nothing to warn of', () => {
    assert.deepEqual(warned(...GUARD, ...DOOR, ...ALLOW), []);
    assert.deepEqual(warned(...GUARD, ...DOOR, ...ALLOW, 'command = logger %IP%'), []);
    assert.deepEqual(warned('[options]', 'nft_table = ip fw', ...DOOR, ...ALLOW), []);
  });

  it('name an allow that no rule can refer to', () => {
    assert.deepEqual(warned(...DOOR, ...ALLOW), ['4 ALLOW']);
  });

  it('name options that have no effect, for no door allows anything', () => {
    assert.deepEqual(warned(...GUARD, ...DOOR, 'command = echo %IP%'), ['0 ALLOW']);
  });

  it('name a door that opens by a command as well', () => {
    for (const command of [
      'iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT',
      'nft add element inet filter allowed { %IP% }',
      '/usr/sbin/ipset add allowed %IP%',
    ])
      assert.deepEqual(warned(...GUARD, ...DOOR, ...ALLOW, `command = ${command}`), ['8 ALLOW']);
  });

  it('name commands for everyone at a door for its source', () => {
    const commands = ['command = touch /run/x', 'stop_command = rm /run/x'];
    assert.deepEqual(warned(...GUARD, ...DOOR, ...ALLOW, ...commands), ['8 ALLOW']);
  });

  it('name a missing Cmd_Timeout, a stop command that never runs, and kill_established alone', () => {
    assert.deepEqual(warned(...GUARD, ...DOOR, 'allow = 22/tcp'), ['6 TIMEOUT']);
    assert.deepEqual(warned(...GUARD, ...DOOR, ...ALLOW, 'stop_command = x'), ['8 NO_COMMAND']);
    assert.deepEqual(warned(...DOOR, 'command = echo %IP%', 'kill_established = yes'), [
      '5 MISPLACED',
    ]);
  });
});
