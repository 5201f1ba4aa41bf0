import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { section } from '../support/conf.js';
import type { Postern } from '../support/daemon.js';
import { eventually } from '../support/eventually.js';
import { useLab } from '../support/lab.js';
import { linesOf } from '../support/lines.js';
import { SERVER4, SERVER6 } from '../support/netns.js';
import { commandLine, descendants } from '../support/process-tree.js';

/** Numbers that turn up nowhere by chance. */
const PORTS = [47113, 51877, 39241];
const ONE_TIME = [58391, 42767, 61543];
const SECRET = new RegExp(`(?<![0-9])(${[...PORTS, ...ONE_TIME].join('|')})(?![0-9])`);

describe('no port of a sequence leaves postern (T9)', () => {
  const lab = useLab();

  it('at debug level, through a knock, a spoiled one, a reload and a closing', async () => {
    const folder = await lab.folder();
    const opened = join(folder, 'opened');
    const logFile = join(folder, 'knockd.log');
    const sequences = join(folder, 'sequences');
    await lab.write(sequences, `${ONE_TIME.join(',')}\n`);
    const common = {
      tcpflags: 'syn',
      cmd_timeout: 1,
      start_command: `echo %IP% >> ${opened}`,
      stop_command: `echo %IP% >> ${opened}`,
    };
    const conf =
      `[options]\n\tLogFile = ${logFile}\n` +
      section('fixed', { sequence: PORTS.join(','), ...common }) +
      section('once', { one_time_sequences: sequences, ...common });
    const postern = await lab.postern({ conf, args: ['--debug'], folder });
    const atStart = everyCommandLine(postern);
    assert.ok(atStart.length >= 3, 'core, sensor and Redis are looked at');
    await lab.knock(SERVER4, [PORTS[0], PORTS[2], PORTS[1]].map(String));
    await lab.knock(SERVER4, PORTS.map(String));
    await lab.knock(SERVER6, ONE_TIME.map(String));
    await eventually('opened and closed', async () => (await linesOf(opened)).length === 4);
    await postern.reload(`${conf}\n`, /reloaded/i);
    await postern.reload(`${conf}\n[bad]\n\tsequence = ${PORTS.join(',')},99999\n`, /99999|port/i);

    const { stdout: status } = await postern.ask('status', '--json');
    const { stdout: events } = await postern.ask('events', '--json');
    const lines = [...atStart, ...everyCommandLine(postern)].join('\n');
    const redis = redisFiles(join(postern.stateDir));
    assert.ok(redis.includes('Completed'), 'the files of Redis are looked at');
    for (const [what, text] of Object.entries({
      'its output': postern.logs,
      LogFile: readFileSync(logFile, 'utf8'),
      status,
      events,
      'command lines': lines,
      'the files of Redis': redis,
    })) {
      assert.ok(text.length > 0, `${what} is empty`);
      assert.doesNotMatch(text, SECRET, what);
    }
    await postern.stop();
  });
});

/** Command lines of postern and of all that it started. */
function everyCommandLine(postern: Postern): string[] {
  return [postern.pid, ...descendants(postern.pid)].map(commandLine).filter(Boolean);
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
