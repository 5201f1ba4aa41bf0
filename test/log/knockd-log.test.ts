import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ActionLog } from '../../src/log/action-log.js';
import { createActionLog, KnockdLog } from '../../src/log/knockd-log.js';
import { SourceNames } from '../../src/log/source-names.js';
import { silentLog } from '../../src/log/types.js';
import { CLIENT4, createNetwork, SERVER4 } from '../support/netns.js';
import { pidGone } from '../support/processes.js';
import { requireRoot } from '../support/root.js';

function recorder() {
  const lines: string[] = [];
  const sink = { write: (text: string) => lines.push(text), reopen() {}, async close() {} };
  return { lines, sink };
}

describe('the action log', () => {
  it('limits stage and timeout lines to ten a second, counts the rest, and never limits openings', () => {
    const { lines, sink } = recorder();
    let second: (() => void) | undefined;
    const log = new KnockdLog([sink], undefined, (act, ms) => {
      assert.equal(ms, 1000);
      second = act;
      return () => undefined;
    });
    for (let at = 0; at < 30; at++) {
      log.stage('192.0.2.9', 'ssh', 1);
      log.sequenceTimeout('192.0.2.9', 'ssh', 1);
      log.openSesame('192.0.2.9', 'ssh');
      log.runningCommand('ssh', 'true');
      log.commandTimeout('192.0.2.9', 'ssh');
    }
    const count = (text: RegExp) => lines.filter((line) => text.test(line)).length;
    assert.equal(count(/Stage|sequence timeout/), 10);
    assert.equal(count(/OPEN SESAME/), 30);
    assert.equal(count(/running command/), 30);
    assert.equal(count(/command timeout/), 30);
    second?.();
    assert.equal(lines.at(-1), '50 more stage lines suppressed');
    log.stage('192.0.2.9', 'ssh', 1);
    assert.equal(lines.at(-1), '192.0.2.9: ssh: Stage 1', 'a new second');
    second?.();
    assert.equal(count(/suppressed/), 1, 'nothing to report of a quiet second');
  });

  it('tells what it held back when it is closed', async () => {
    const { lines, sink } = recorder();
    const log = new KnockdLog([sink]);
    for (let at = 0; at < 12; at++) log.stage('192.0.2.9', 'ssh', 1);
    await log.close();
    assert.equal(lines.at(-1), '2 more stage lines suppressed');
  });

  it('lets nothing forge a line: names and commands with control characters are escaped', () => {
    const { lines, sink } = recorder();
    const log = new KnockdLog([sink]);
    log.openSesame(
      '192.0.2.9',
      'ssh\n[2026-01-01 00:00] 192.0.2.1: root: OPEN SESAME\u001b[2J\u009b',
    );
    log.runningCommand('ssh', 'echo a\rb\u2028c');
    for (const line of lines) assert.doesNotMatch(line, /[\p{Cc}\p{Zl}]/u);
    assert.match(lines[0]!, /^192\.0\.2\.9: ssh\\u000a\[2026/);
  });

  it('asks for a name only when a door opened, and shows it from then on', async () => {
    const { lines, sink } = recorder();
    const asked: string[] = [];
    const names = new SourceNames(async (address) => {
      asked.push(address);
      return ['gate.example'];
    });
    const log = new KnockdLog([sink], names);
    log.stage('192.0.2.9', 'ssh', 1);
    log.sequenceTimeout('192.0.2.9', 'ssh', 1);
    assert.deepEqual(asked, []);
    log.openSesame('192.0.2.9', 'ssh');
    await names.find('192.0.2.9');
    await log.close();
    log.commandTimeout('192.0.2.9', 'ssh');
    log.stage('192.0.2.9', 'ssh', 1);
    assert.deepEqual(lines.slice(2), [
      '192.0.2.9 (gate.example): ssh: OPEN SESAME',
      '192.0.2.9 (gate.example): ssh: command timeout',
      '192.0.2.9: ssh: Stage 1',
    ]);
    assert.ok(new Set(asked).size === 1);
  });

  it('writes the address alone without a name, with a strange one, or when it must close', async () => {
    for (const reverse of [
      async () => [],
      async () => ['x: root: OPEN SESAME'],
      async () => Promise.reject(new Error('no resolver')),
      () => new Promise<never>(() => undefined),
    ]) {
      const { lines, sink } = recorder();
      const log = new KnockdLog([sink], new SourceNames(reverse));
      log.openSesame('192.0.2.9', 'ssh');
      await log.close();
      assert.deepEqual(lines, ['192.0.2.9: ssh: OPEN SESAME']);
    }
  });

  it('writes nothing with log = off', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'postern-log-'));
    try {
      const logFile = join(folder, 'log');
      const options = { log: false, logFile, useSyslog: true, lookup: true, serviceLog: silentLog };
      const log = createActionLog(options);
      log.openSesame('192.0.2.9', 'ssh');
      await log.close();
      await assert.rejects(readFile(logFile), { code: 'ENOENT' });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('the action log beside the real knockd', function () {
  this.timeout(20_000);

  it('has the same lines, word for word', async function () {
    requireRoot(this);
    const folder = await mkdtemp(join(tmpdir(), 'postern-log-'));
    const network = await createNetwork();
    try {
      const device = network.interfaces.server;
      const conf = join(folder, 'knockd.conf');
      const door = '[open ssh]\nsequence = 7003,7001\nseq_timeout = 1\ncmd_timeout = 1\n';
      const commands = `start_command = true start\nstop_command = true stop\n`;
      const short = '[short]\nsequence = 7005,7006\nseq_timeout = 1\n';
      const options = `[options]\nlogfile = ${folder}/theirs\n`;
      await writeFile(conf, options + door + commands + short);
      const knockd = network.spawn('server', [
        'stdbuf',
        '-oL',
        'knockd',
        '-vc',
        conf,
        '-i',
        device,
      ]);
      assert.ok(knockd.stdout);
      let said = '';
      knockd.stdout.on('data', (chunk: Buffer) => {
        said += chunk.toString();
      });
      const hear = async (text: string, times = 1) => {
        while (said.split(text).length <= times) await once(knockd.stdout!, 'data');
      };
      await hear('listening on');
      // A first knock at the other door runs out; knockd notices with the next packet.
      await network.must('client', ['knock', SERVER4, '7005']);
      await hear('Stage 1');
      // It counts whole seconds, and says nothing when they are over.
      await new Promise((resolve) => setTimeout(resolve, 2_100));
      await network.must('client', ['knock', '-d', '60', SERVER4, '7003', '7001']);
      await hear('OPEN SESAME');
      await hear('running command', 2);
      // It waits for children at its end, and its last child must be gone by then.
      process.kill(knockd.pid!, 'SIGTERM');
      await pidGone(knockd.pid!, 5_000);

      const log: ActionLog = createActionLog({
        log: true,
        logFile: join(folder, 'ours'),
        useSyslog: false,
        lookup: false,
        serviceLog: silentLog,
      });
      log.startingUp(device);
      log.stage(CLIENT4, 'short', 1);
      log.sequenceTimeout(CLIENT4, 'short', 1);
      log.stage(CLIENT4, 'open ssh', 1);
      log.stage(CLIENT4, 'open ssh', 2);
      log.openSesame(CLIENT4, 'open ssh');
      log.runningCommand('open ssh', 'true start');
      log.commandTimeout(CLIENT4, 'open ssh');
      log.runningCommand('open ssh', 'true stop');
      log.shuttingDown();
      await log.close();

      const read = async (name: string) => {
        const lines = (await readFile(join(folder, name), 'utf8')).split('\n');
        // knockd leaves an empty line behind some texts. Minutes may differ.
        return lines
          .filter(Boolean)
          .map((line) => line.replace(/^\[\d{4}-\d\d-\d\d \d\d:\d\d\] /, ''));
      };
      assert.deepEqual(await read('ours'), await read('theirs'));
      for (const name of ['ours', 'theirs'])
        assert.match(await readFile(join(folder, name), 'utf8'), /^\[\d{4}-\d\d-\d\d \d\d:\d\d\] /);
    } finally {
      await network.dispose();
      await rm(folder, { recursive: true });
    }
  });
});
