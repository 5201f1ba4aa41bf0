import assert from 'node:assert/strict';
import { parseConfiguration } from '../../config/parse.js';
import { configurationWarnings, type HostFacts } from '../../config/warnings.js';

/** What is warned of in a text that loads, as `LINE CODE`. */
function warned(text: string, host?: HostFacts): readonly string[] {
  return warnings(text, host).map(({ line, code }) => `${line} ${code.replace('POSTERN_W_', '')}`);
}

function warnings(text: string, host?: HostFacts) {
  const { configuration, places } = parseConfiguration(text, 'file.conf');
  assert.ok(configuration);
  return configurationWarnings(configuration, places, host);
}

/** A door that nothing is to be said about, with lines of one's own. */
const door = (sequence: string, ...lines: readonly string[]) =>
  ['[d]', `sequence = ${sequence}`, 'tcpflags = syn', 'command = echo %IP%', ...lines, ''].join(
    '\n',
  );

const FINE = '27000,29000,28000';

/** A door that opens and closes with these commands. */
const commands = (start: string, stop?: string, ...more: readonly string[]) =>
  ['[d]', `sequence = ${FINE}`, 'tcpflags = syn', `command = ${start}`]
    .concat(stop === undefined ? [] : [`stop_command = ${stop}`, 'cmd_timeout = 5'], more)
    .join('\n');

describe('warnings about sequences', () => {
  it('are not given where there is nothing to warn of', () => {
    assert.deepEqual(warned(door(FINE)), []);
  });

  it('name a sequence of fewer than three knocks', () => {
    assert.deepEqual(warned(door('29000')), ['2 SHORT_SEQUENCE']);
    assert.ok(warned(door('29000,28000')).includes('2 SHORT_SEQUENCE'));
  });

  it('name a sequence that rises or falls, louder where the steps are small', () => {
    const message = (sequence: string) => warnings(door(sequence))[0]?.message ?? '';
    assert.match(message('100,2000,30000'), /^the ports of door \[d\] rise/);
    assert.match(message('30000,2000,100'), /^the ports of door \[d\] fall/);
    assert.match(message('7000,7010,7020'), /^DANGER: .*small steps/);
    assert.match(message('7000,7010,7021'), /^the ports/);
    assert.equal(message('7000,7002,7001'), '');
  });

  it('name doors with one sequence, and a sequence that begins another or lies within it', () => {
    const two = (one: string, other: string, ...lines: readonly string[]) =>
      warnings(`${door(one, ...lines)}${door(other).replace('[d]', '[e]')}`)
        .filter(({ code }) => code === 'POSTERN_W_OVERLAP')
        .map(({ line, message }) => `${line} ${message.split(';')[0]}`);
    assert.deepEqual(two(FINE, FINE), ['2 doors [d] and [e] have the same sequence']);
    assert.deepEqual(two(`${FINE},5`, FINE), [
      '6 the sequence of door [e] is how that of door [d] begins',
    ]);
    assert.deepEqual(two('29000,28000,5', `27000,29000,28000,5,6`), [
      '2 the sequence of door [d] lies within that of door [e]',
    ]);
    assert.deepEqual(two('27000,29000,28000', '27000,29000:udp,28000'), []);
    assert.deepEqual(two('27000,28000,29000', '27000,5,28000,29000'), []);
  });

  it('say nothing of one sequence at doors for two targets', () => {
    const text = door(FINE, 'target = 10.0.0.1') + door(FINE, 'target = 10.0.0.2');
    assert.deepEqual(warned(text), []);
  });

  it('name a knock on a port that something listens on, by its position', () => {
    const host: HostFacts = {
      isListening: (protocol, port) => protocol === 'udp' && port === 29000,
    };
    const found = warnings(door('27000,29000:udp,28000'), host);
    assert.equal(found.length, 1);
    assert.match(found[0]!.message, /^knock 2 of door \[d\] /);
    assert.deepEqual(warned(door(FINE), host), []);
  });

  it('name TCP knocks without TCPFlags, and flags where all is UDP', () => {
    const bare = door(FINE).replace('tcpflags = syn\n', '');
    assert.deepEqual(warned(bare), ['2 TCPFLAGS']);
    assert.deepEqual(warned(door('27000:udp,29000:udp,28000:udp')), ['3 TCPFLAGS']);
    assert.deepEqual(warned(bare.replace(FINE, '27000:udp,29000:udp,28000:udp')), []);
  });

  it('name an interface that is not there', () => {
    const text = `[options]\ninterface = eth0, wg9, any\n${door(FINE)}`;
    const found = warnings(text, { interfaces: ['lo', 'eth0'] });
    assert.deepEqual(
      found.map(({ message }) => message.split(';')[0]),
      ['there is no interface wg9 on this host'],
    );
  });
});

describe('warnings about commands (G9)', () => {
  const ADD = 'iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT';
  const DELETE = 'iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT';

  it('are not given for the pairs of the common how-tos', () => {
    const pairs: readonly (readonly [string, string])[] = [
      [ADD, DELETE],
      [`/sbin/${ADD}`, `/usr/sbin/${DELETE}`],
      [ADD.replace('-A INPUT', '-I INPUT 1'), DELETE.replace('-s', '--source')],
      [
        ADD.replace('iptables', 'iptables -w -t filter'),
        DELETE.replace('iptables', 'iptables -t filter'),
      ],
      [`${ADD} && logger in`, `logger out; ${DELETE}`],
      ['ipset add knock %IP%', 'ipset del knock %IP%'],
      ['nft add element inet f s { %IP% }', 'nft delete element inet f s { %IP% }'],
      [ADD, '/usr/local/bin/close %IP%'],
    ];
    for (const [start, stop] of pairs) assert.deepEqual(warned(commands(start, stop)), [], start);
    assert.deepEqual(warned(commands(ADD)), []);
    assert.deepEqual(warned(commands(DELETE)), []);
  });

  it('name a door that opens for everyone', () => {
    const text = commands('firewall-cmd --add-port 22/tcp', 'firewall-cmd --remove-port 22/tcp');
    assert.deepEqual(warned(text), ['4 SHARED_DOOR']);
  });

  it('name a rule that is deleted by its number', () => {
    assert.ok(
      warned(commands(`${ADD}`, 'iptables -D INPUT 1 # %IP%')).includes('5 STOP_NOT_INVERSE'),
    );
    assert.ok(warned(commands('iptables -D INPUT 1')).includes('4 STOP_NOT_INVERSE'));
  });

  it('name a rule that is added without the source', () => {
    const text = commands('/sbin/iptables -I INPUT -p tcp --dport 22 -j ACCEPT');
    assert.deepEqual(warned(text), ['4 STOP_NOT_INVERSE']);
  });

  it('name a stop that deletes another rule than the start added, or not all of them', () => {
    const not = (start: string, stop: string, ...more: readonly string[]) =>
      assert.deepEqual(warned(commands(start, stop, ...more)), ['5 STOP_NOT_INVERSE'], stop);
    not(ADD, DELETE.replace('22', '23'));
    not(ADD, DELETE.replace('INPUT', 'FORWARD'));
    not(`${ADD}; ${ADD.replace('22', '80')}`, DELETE);
    not(ADD, `${DELETE}; ${DELETE.replace('22', '80')}`);
    not(ADD, DELETE.replace('-s %IP% ', ''));
    not('touch /run/open', 'rm /run/open-%IP%');
    not(ADD, DELETE, `command_6 = ${ADD.replace('iptables', 'ip6tables')}`);
  });

  it('name a door that does nothing, and a stop that never runs', () => {
    assert.deepEqual(warned(commands('')), ['4 NO_COMMAND']);
    const [found] = warnings(commands('', 'rm x'));
    assert.match(found!.message, /Stop_Command never runs/);
  });

  it('name a stop without a time and a time without a stop', () => {
    const stop = commands('echo %IP%', 'echo %IP%').replace('cmd_timeout = 5', '');
    assert.deepEqual(warned(stop), ['5 TIMEOUT']);
    assert.deepEqual(warned(door(FINE, 'cmd_timeout = 5')), ['5 TIMEOUT']);
  });
});
