import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { dump } from '../cluster/hostile/dump.js';
import { frameOf, pcapOf } from '../differential/frames.js';
import { section } from '../support/conf.js';
import { node, type Postern } from '../support/daemon.js';
import { eventually } from '../support/eventually.js';
import { useLab } from '../support/lab.js';
import { linesOf } from '../support/lines.js';
import { CLIENT4, SERVER4, SERVER6 } from '../support/netns.js';
import { commandLine, descendants } from '../support/process-tree.js';

/** Numbers that turn up nowhere by chance. */
const PORTS = [47113, 51877, 39241];
const ONE_TIME = [58391, 42767, 61543];
const ALL = [...PORTS, ...ONE_TIME];
const HARDWARE = '02:00:00:00:00:01';
/** A port by itself, or a sequence's ports in order as numbers of a program's. */
const SECRET = new RegExp(
  [
    `(?<![0-9])(${ALL.join('|')})(?![0-9])`,
    ...ALL.map((port) => `0x${port.toString(16)}(?![0-9a-f])`),
    ...[PORTS, ONE_TIME].flatMap((ports) => [inHex(ports), inBytes(ports, false), inBytes(ports)]),
  ].join('|'),
  's',
);

/** Sixteen bits each, with or without something between. */
function inHex(ports: readonly number[]): string {
  return ports.map((port) => port.toString(16)).join('[^0-9a-f]{0,6}');
}

/** As they stand in memory, in text that is read as latin1. */
function inBytes(ports: readonly number[], littleEndian = true): string {
  const bytes = ports.map((port) => {
    const pair = [port >> 8, port & 255].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`);
    return (littleEndian ? pair.reverse() : pair).join('');
  });
  return bytes.join('.{0,2}');
}

/** Asserts that none of the texts, by what they are, is empty or holds a port of a sequence. */
function assertNoSecret(texts: Readonly<Record<string, string>>): void {
  for (const [what, text] of Object.entries(texts)) {
    assert.ok(text.length > 0, `${what} is empty`);
    assert.doesNotMatch(text, SECRET, what);
  }
}

describe('no port of a sequence leaves postern (T9)', () => {
  const lab = useLab();
  let folder = '';
  beforeEach(async () => {
    folder = await lab.folder();
  });
  const file = (name: string) => join(folder, name);

  const common = (opened: string) => ({
    tcpflags: 'syn',
    start_command: `env >> ${opened}.environment; echo %IP% >> ${opened}`,
    stop_command: `echo %IP% >> ${opened}`,
  });
  const options = () => `[options]\n\tLogFile = ${file('knockd.log')}\n`;

  it('at debug level, through a knock, a spoiled one, a reload and a closing', async () => {
    const opened = file('opened');
    await lab.write(file('sequences'), `${ONE_TIME.join(',')}\n`);
    const door = { ...common(opened), cmd_timeout: 1 };
    const conf =
      options() +
      section('fixed', { sequence: PORTS.join(','), ...door }) +
      section('once', { one_time_sequences: file('sequences'), ...door });
    const postern = await lab.postern({ conf, args: ['--debug'], folder });
    const atStart = everyCommandLine(postern);
    assert.ok(atStart.length >= 3, 'core, sensor and Redis are looked at');
    await lab.knock(SERVER4, [PORTS[0], PORTS[2], PORTS[1]].map(String));
    await lab.knock(SERVER4, PORTS.map(String));
    await lab.knock(SERVER6, ONE_TIME.map(String));
    await eventually('opened and closed', async () => (await linesOf(opened)).length === 4);
    await postern.reload(`${conf}\n`, /reloaded/i);
    await postern.reload(`${conf}\n[bad]\n\tsequence = ${PORTS.join(',')},99999\n`, /99999|port/i);

    const redis = redisFiles(join(postern.stateDir));
    assert.ok(redis.includes('Completed'), 'the files of Redis are looked at');
    assertNoSecret({
      'its output': postern.logs,
      LogFile: readFileSync(file('knockd.log'), 'utf8'),
      ...(await told(postern)),
      'command lines': [...atStart, ...everyCommandLine(postern)].join('\n'),
      'the files of Redis': redis,
      'the environment of commands': readFileSync(`${opened}.environment`, 'utf8'),
    });
    await postern.stop();
  });

  it('while a door is open: keys and jobs of Redis, environments, what fails meanwhile', async () => {
    const opened = file('opened');
    await lab.write(file('sequences'), `${ONE_TIME.join(',')}\n`);
    const door = { ...common(opened), cmd_timeout: 60, sinks: 'webhook:nobody' };
    const fails = { tcpflags: 'syn', start_command: 'echo no; exit 3', command_timeout: 1 };
    const conf =
      options() +
      section('fixed', { sequence: PORTS.join(','), ...door }) +
      section('once', { one_time_sequences: file('sequences'), ...door }) +
      section('fails', { sequence: [...PORTS].reverse().join(','), ...fails }) +
      section('webhook:nobody', { url: 'https://127.0.0.1:9/', secret_file: file('key') });
    // A port by which nobody listens: each try is a failure that is told.
    await lab.write(file('key'), `whsec_${Buffer.alloc(32, 'k').toString('base64')}\n`);
    const postern = await lab.postern({ conf, args: ['--debug'], folder });
    const environments = everyEnvironment(postern);
    await lab.knock(SERVER4, PORTS.map(String));
    await lab.knock(SERVER6, ONE_TIME.map(String));
    await lab.knock(SERVER4, [...PORTS].reverse().map(String));
    await eventually('opened', async () => (await linesOf(opened)).length === 2);
    await postern.program.waitFor(/opening failed/);
    await eventually('both webhooks failed', async () => {
      const failed = (await postern.events()).filter(({ type }) => type === 'DeliveryFailed');
      return failed.length >= 2;
    });
    const keys = await dumpOf(postern);
    assert.match(keys, /Completed/, 'the journal is in it');
    assert.match(keys, /^postern:\S+ .*"?fixed/m, 'jobs are in it');
    await breakSensor(postern);
    await breakRedis(postern);
    assertNoSecret({
      'keys of Redis': keys,
      environments: [...environments, ...everyEnvironment(postern)].join('\n'),
      'its output': postern.logs,
      LogFile: readFileSync(file('knockd.log'), 'utf8'),
      ...(await told(postern)),
    });
    await postern.stop();
  });

  it('in what is said of a configuration that is refused, checked or replayed with', async function () {
    this.timeout(60_000);
    const [a, b, c] = PORTS;
    await lab.write(
      file('sequences'),
      `${ONE_TIME.join(',')}\n${ONE_TIME.join(';')}\n${a},x${b}\n`,
    );
    await writeFile(file('pcap'), knockCapture());
    const good = section('fixed', { sequence: PORTS.join(','), ...common(file('opened')) });
    const texts = {
      good,
      'no number': section('d', { sequence: `${a},${b},x${c}` }),
      'no port': section('d', { sequence: `${a},9${b},${c}` }),
      'no protocol': section('d', { sequence: `${a}:tpc,${b},${c}` }),
      'no separator': section('d', { sequence: PORTS.join(' ') }),
      'no key': `[d]\n\t${PORTS.join(',')}\n`,
      'no section': `sequence = ${PORTS.join(',')}\n`,
      'another key': section('d', { seqence: PORTS.join(',') }),
      'an open bracket': `[${PORTS.join(',')}\n`,
      twice: good + good,
      'one-time': section('d', { one_time_sequences: file('sequences'), command: 'x' }),
    };
    const conf = file('knockd.conf');
    // A file where the folder should be: nothing gets as far as to listen.
    const state = ['--state-dir', file('pcap')];
    const commands = [
      node('postern', 'check', conf),
      node('postern', 'replay', file('pcap'), '-c', conf),
      node('postern', 'run', '-D', '-c', conf, ...state),
      node('knockd', '-D', '-c', conf, ...state),
    ];
    for (const [what, text] of Object.entries(texts)) {
      await lab.write(conf, text);
      const run = (argv: readonly string[]) => lab.network.exec('server', argv);
      const said = await Promise.all(commands.map(run));
      for (const [index, { code, stdout, stderr }] of said.entries()) {
        const name = `${what}: ${commands[index]?.slice(1, 3).join(' ')}`;
        assert.notEqual(code, 124, `${name} went on`);
        assertNoSecret({ [name]: stdout + stderr });
      }
    }
  });

  async function told(postern: Postern): Promise<Record<string, string>> {
    const texts: Record<string, string> = {};
    for (const command of ['status', 'events']) {
      for (const flags of [[], ['--json']]) {
        const { stdout } = await postern.ask(command, ...flags);
        texts[[command, ...flags].join(' ')] = stdout;
      }
    }
    return texts;
  }
});

/** A capture of one knock at the first door. */
function knockCapture(): Buffer {
  const frames = PORTS.map((port, n) => {
    const ends = { source: CLIENT4, destination: SERVER4, sourcePort: 40_000 + n };
    const rest = { flags: 2, sequence: n, interfaceIndex: 0, atMs: 1e12 + n };
    return frameOf({ ...ends, ...rest, port, protocol: 'tcp' }, HARDWARE, HARDWARE);
  });
  return pcapOf(frames.map((bytes, n) => ({ atMs: 1000 + n, bytes })));
}

async function breakSensor(postern: Postern): Promise<void> {
  const from = postern.logs.length;
  process.kill(childOf(postern, /sensor/), 'SIGKILL');
  await postern.program.waitFor(/sensor listening/, { from });
}

async function breakRedis(postern: Postern): Promise<void> {
  const killed = childOf(postern, /redis-server/);
  process.kill(killed, 'SIGKILL');
  const isBack = async () => {
    const [other] = family(postern).filter((pid) => /redis-server/.test(commandLine(pid)));
    return other !== undefined && other !== killed && (await postern.ask('events')).code === 0;
  };
  await eventually('Redis is back', isBack, { withinMs: 10_000 });
}

function childOf(postern: Postern, name: RegExp): number {
  const found = family(postern).find((pid) => name.test(commandLine(pid)));
  assert.ok(found !== undefined, `no child ${name}`);
  return found;
}

/** postern and all that it started. */
function family(postern: Postern): number[] {
  return [postern.pid, ...descendants(postern.pid)];
}

function everyCommandLine(postern: Postern): string[] {
  return family(postern).map(commandLine).filter(Boolean);
}

function everyEnvironment(postern: Postern): string[] {
  return family(postern).flatMap((pid) => {
    try {
      return [readFileSync(`/proc/${pid}/environ`, 'utf8')];
    } catch {
      // A command that ended meanwhile.
      return [];
    }
  });
}

/** Every key of its Redis: the journal, claims, queues and jobs. */
async function dumpOf(postern: Postern): Promise<string> {
  const path = join(postern.stateDir, 'redis', 'redis.sock');
  const redis = new Redis({ path, replyMapping: 'legacy' });
  try {
    return await dump(redis);
  } finally {
    redis.disconnect();
  }
}

/** All that Redis wrote; other folders of the state folder must be the owner's alone. */
function redisFiles(folder: string): string {
  let text = '';
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    const content = readFileSync(file, 'latin1');
    if (SECRET.test(content) && !/appendonly|\.rdb$|\.aof/.test(file)) {
      assert.equal(statSync(file).mode & 0o077, 0, `${file} holds a sequence: the owner's alone`);
    } else text += content;
  }
  return text;
}
