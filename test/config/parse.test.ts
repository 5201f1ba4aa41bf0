import assert from 'node:assert/strict';
import { DEFAULT_CAPTURE_BUFFER_BYTES } from '../../config/options.js';
import { TCP_FLAG } from '../../config/types.js';
import { doorOf, loads, saidOf } from './support/parsed.js';

const DOOR = ['[door]', 'sequence = 7000,9000:udp,8000', 'command = echo %IP%'];

describe('parseConfiguration', () => {
  it('gives a door what knockd gives it when the file says nothing', () => {
    assert.deepEqual(doorOf(...DOOR), {
      name: 'door',
      line: 1,
      sequence: {
        kind: 'fixed',
        knocks: [
          { port: 7000, protocol: 'tcp' },
          { port: 9000, protocol: 'udp' },
          { port: 8000, protocol: 'tcp' },
        ],
      },
      seqTimeoutMs: 25_000,
      tcpFlags: { required: 0, excluded: 0 },
      startCommand: 'echo %IP%',
      allow: [],
      sinks: [],
      killEstablished: false,
      cmdTimeoutMs: 10_000,
      runOn: 'here',
      reknock: 'extend',
      cooldownMs: 0,
      commandTimeoutMs: 60_000,
      stopRetries: 10,
    });
  });

  it('gives the options their documented defaults', () => {
    assert.deepEqual(loads('').options, {
      useSyslog: false,
      log: true,
      pidFile: '/var/run/knockd.pid',
      stateDir: '/var/lib/postern',
      strayLimit: 3,
      scanLimit: 20,
      ignorePorts: [],
      maxAttemptsPerMinute: 60,
      maxSources: 1_048_576,
      maxMachines: 65_536,
      maxCommands: 64,
      captureBufferBytes: DEFAULT_CAPTURE_BUFFER_BYTES,
      closeOnExit: false,
      nftGuard: false,
      sensorUser: 'nobody',
      journalLength: 100_000,
      clusterKeyFile: '/etc/postern/cluster.key',
      redisWait: 0,
      clockToleranceMs: 2000,
    });
  });

  it("reads postern's own options", () => {
    const text = `[options]
      Interface = eth0, wg0
      state_dir = /tmp/x
      local_redis = redis://127.0.0.1:6379/3
      log = off
      stray_limit = off
      scan_limit = 7
      ignore_ports = 123, 5000-5010
      max_attempts_per_minute = 0
      max_sources = 10
      max_machines = 11
      max_commands = 12
      capture_buffer = 512k
      close_on_exit = yes
      sensor_user = daemon
      journal_length = 5000`;
    const { options } = loads(text);
    assert.deepEqual(
      { ...options, useSyslog: undefined, pidFile: undefined },
      {
        useSyslog: undefined,
        pidFile: undefined,
        interfaces: ['eth0', 'wg0'],
        stateDir: '/tmp/x',
        localRedis: 'redis://127.0.0.1:6379/3',
        log: false,
        strayLimit: 'off',
        scanLimit: 7,
        ignorePorts: [
          { from: 123, to: 123 },
          { from: 5000, to: 5010 },
        ],
        maxAttemptsPerMinute: 0,
        maxSources: 10,
        maxMachines: 11,
        maxCommands: 12,
        captureBufferBytes: 512 * 1024,
        closeOnExit: true,
        nftGuard: false,
        sensorUser: 'daemon',
        journalLength: 5000,
        clusterKeyFile: '/etc/postern/cluster.key',
        redisWait: 0,
        clockToleranceMs: 2000,
      },
    );
  });

  it('lets [options] set what holds for every door, wherever it stands, and a door overrule it', () => {
    const { doors } = loads(
      `[one]\nsequence = 1,3,2\n[two]\nsequence = 4,6,5\nreknock = ignore\ncooldown = 0.5\n
       [options]\nreknock = rerun\ncooldown = 30\ncommand_timeout = 1.5\nstop_retries = 0\n`,
    );
    const chosen = doors.map(({ reknock, cooldownMs, commandTimeoutMs, stopRetries }) => [
      reknock,
      cooldownMs,
      commandTimeoutMs,
      stopRetries,
    ]);
    assert.deepEqual(chosen, [
      ['rerun', 30_000, 1500, 0],
      ['ignore', 500, 1500, 0],
    ]);
  });

  it('reads numbers as atoi does and names what it ignores, without its digits', () => {
    const text = [...DOOR, 'seq_timeout = 15 # was 20', 'cmd_timeout = 10s'].join('\n');
    const { seqTimeoutMs, cmdTimeoutMs } = doorOf(text);
    assert.deepEqual([seqTimeoutMs, cmdTimeoutMs], [15_000, 10_000]);
    const said = saidOf(text);
    assert.match(said[0]!, /^4:18 warning POSTERN_W_IGNORED_TEXT Seq_Timeout ignores "# was #"/);
    assert.match(said[1]!, /^5:17 warning POSTERN_W_IGNORED_TEXT Cmd_Timeout ignores "s"/);
  });

  it('adds up TCPFlags, the last mention of a flag counting', () => {
    const { tcpFlags } = doorOf(...DOOR, 'tcpflags = syn, !ack, psh', 'TCPFLAGS=ack,!fin,!psh');
    assert.deepEqual(tcpFlags, {
      required: TCP_FLAG.syn | TCP_FLAG.ack,
      excluded: TCP_FLAG.fin | TCP_FLAG.psh,
    });
  });

  it('shows doors of one name apart', () => {
    const text = '[d]\nsequence=1\n[d#2]\nsequence=2\n[d]\nsequence=3\n[d]\nsequence=4\n';
    assert.deepEqual(
      loads(text).doors.map(({ name }) => name),
      ['d', 'd#2', 'd#3', 'd#4'],
    );
  });

  it('takes the last of a repeated directive, but the first Interface, and says which', () => {
    const text = '[options]\ninterface = eth1\ninterface = eth2\nlogfile = /a\nlogfile = /b\n';
    const { options } = loads(text);
    assert.deepEqual(options.interfaces, ['eth1']);
    assert.equal(options.logFile, '/b');
    const said = saidOf(text).filter((line) => line.includes('REPEATED'));
    assert.match(said[0]!, /^3:1 .*line 2 counts/);
    assert.match(said[1]!, /^5:1 .*this one counts/);
  });

  it('tells an empty command from none', () => {
    const door = doorOf(...DOOR, 'command_6 =');
    assert.equal(door.startCommand6, '');
    assert.equal('stopCommand6' in door, false);
  });

  it('brings the target to its canonical text', () => {
    assert.equal(doorOf(...DOOR, 'target = 2001:DB8:0::01').target, '2001:db8::1');
  });

  it('keeps the door open for ten years where knockd sleeps for a lifetime', () => {
    assert.equal(doorOf(...DOOR, 'cmd_timeout = -1').cmdTimeoutMs, 315_360_000_000);
  });

  it('says of a sequence timeout of zero that the door never opens, unless it has one knock', () => {
    assert.match(saidOf([...DOOR, 'timeout = 0'].join('\n'))[0]!, /^4:11 warning .*never opens/);
    assert.deepEqual(saidOf('[d]\nsequence = 1\ntimeout = -4\n'), []);
    assert.equal(doorOf('[d]\nsequence = 1\ntimeout = -4\n').seqTimeoutMs, 0);
  });

  it('prefers the one-time file of a door that has both kinds, and says so', () => {
    const text = [...DOOR, 'one_time_sequences = /x'].join('\n');
    assert.deepEqual(doorOf(text).sequence, { kind: 'oneTime', file: '/x' });
    assert.match(saidOf(text)[0]!, /^2:12 warning POSTERN_W_MISPLACED Sequence has no effect/);
  });

  it('bounds how many stray ports have to be remembered', () => {
    const { options } = loads('[options]\nstray_limit = 2000\nscan_limit = 2000\n');
    assert.deepEqual([options.strayLimit, options.scanLimit], [2000, 2000]);
    assert.deepEqual(saidOf('[options]\nstray_limit = 2001\nscan_limit = 2001\n'), [
      '2:15 error POSTERN_E_CONFIG_VALUE stray_limit takes "off" or a whole number from 0 to 2000',
      '3:14 error POSTERN_E_CONFIG_VALUE scan_limit takes a whole number from 1 to 2000',
    ]);
    assert.match(saidOf('[options]\nscan_limit = 0\n')[0] ?? '', /from 1 to 2000/);
  });

  it('reports every error of a file, each at its line and column', () => {
    const text = `[options]
  stae_dir = /x
  max_sources = many
[door]
  sequence = 0, 70000, abc, 1:tpc
  tcpflags = syn, ece
  logfile = /x
[none]
`;
    const { length } = saidOf(text).filter((line) => line.includes(' error '));
    assert.equal(length, 9);
    assert.deepEqual(
      saidOf(text).map((line) => line.split(' ')[0]),
      ['2:3', '3:17', '5:14', '5:17', '5:24', '5:31', '6:19', '7:3', '8:1'],
    );
  });

  it('ignores a byte order mark, and Latin-1 in a comment, but not in a command', () => {
    assert.equal(loads(`\ufeff${DOOR.join('\n')}\n# T\ufffdr`).doors.length, 1);
    assert.match(saidOf(`${DOOR.join('\n')}\ufffd`)[0]!, /^3:1 error .*UTF-8/);
  });
});
