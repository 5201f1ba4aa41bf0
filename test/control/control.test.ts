import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ask } from '../../src/control/client.js';
import type { ControlHandlers, Reply, Request } from '../../src/control/protocol.js';
import { type ControlServer, takeControl } from '../../src/control/server.js';
import { PosternError } from '../../src/errors.js';
import type { JournalEvent } from '../../src/journal/events.js';

const STATUS = { version: '1', host: 'h', grants: [] } as unknown as ReturnType<
  ControlHandlers['status']
>;
const EVENT: JournalEvent = { type: 'HostStopped', id: '1-0', host: 'h', atMs: 1 };

async function replies(path: string, request: Request): Promise<Reply[]> {
  const all: Reply[] = [];
  for await (const reply of ask(path, request)) all.push(reply);
  return all;
}

describe('the control socket', () => {
  let folder: string;
  let path: string;
  let server: ControlServer;
  let followed: AbortSignal | undefined;

  const handlers: ControlHandlers = {
    status: () => STATUS,
    reload: async () => ({ reloaded: false, messages: ['a line'] }),
    close: async (asked) => ({ closed: 2, isDone: true, messages: [JSON.stringify(asked)] }),
    async forget(host) {
      if (host === 'b1') throw new PosternError('POSTERN_E_CONTROL', 'b1 is alive');
      return { forgotten: host };
    },
    async *events(follow, signal) {
      yield EVENT;
      if (!follow) return;
      followed = signal;
      await new Promise((done) => signal.addEventListener('abort', done));
    },
  };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-control-'));
    path = join(folder, 'control.sock');
    server = await takeControl(path);
  });
  afterEach(async () => {
    await server.stop();
    await rm(folder, { recursive: true });
  });

  it('answers status, events and reload, and is its owner’s alone', async () => {
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    await assert.rejects(replies(path, { command: 'status' }), /is starting/);
    server.serve(handlers);
    assert.deepEqual(await replies(path, { command: 'status' }), [{ status: STATUS }]);
    assert.deepEqual(await replies(path, { command: 'events', follow: false }), [{ event: EVENT }]);
    assert.deepEqual(await replies(path, { command: 'reload' }), [
      { reloaded: false, messages: ['a line'] },
    ]);
  });

  it('answers close and forget, and gives their refusals as errors', async () => {
    server.serve(handlers);
    const source = '192.0.2.1';
    for (const host of [undefined, 'b2']) {
      const asked = { command: 'close', door: 'ssh', source, host } as const;
      const messages = [JSON.stringify(asked)];
      assert.deepEqual(await replies(path, asked), [{ closed: 2, isDone: true, messages }]);
    }
    assert.deepEqual(await replies(path, { command: 'forget', host: 'b3' }), [{ forgotten: 'b3' }]);
    await assert.rejects(replies(path, { command: 'forget', host: 'b1' }), {
      code: 'POSTERN_E_CONTROL',
      message: 'b1 is alive',
    });
  });

  it('ends following when the one who asked goes away', async () => {
    server.serve(handlers);
    for await (const reply of ask(path, { command: 'events', follow: true })) {
      assert.deepEqual(reply, { event: EVENT });
      break;
    }
    await new Promise<void>((done) => {
      if (followed?.aborted !== false) done();
      else followed.addEventListener('abort', () => done());
    });
  });

  it('answers nonsense with an error and goes on', async () => {
    server.serve(handlers);
    const closes = ['{"command":"close","door":"ssh"}', '{"command":"forget","host":1}'];
    for (const line of ['not json', '{"command":"no such"}', '[]', ...closes]) {
      const answer = await new Promise<string>((resolve) => {
        const socket = connect(path, () => socket.write(`${line}\n`));
        socket.setEncoding('utf8').on('data', (text: string) => resolve(text));
      });
      assert.match(answer, /"error"/);
    }
    assert.equal((await replies(path, { command: 'status' })).length, 1);
  });

  it('is the lock: a second one waits, and gets the folder when the first lets go', async () => {
    const second = takeControl(path);
    setTimeout(() => void server.stop(), 300);
    server = await second;
    server.serve(handlers);
    assert.equal((await replies(path, { command: 'status' })).length, 1);
  });

  it('refuses after 5 s while another has it, naming what to do', async () => {
    await assert.rejects(takeControl(path), /another postern is running .* --state-dir/);
  }).timeout(8000);

  it('takes over the socket that a killed one left', async () => {
    await server.stop();
    const script = join(folder, 'dies.mjs');
    await writeFile(
      script,
      `import net from 'node:net'; net.createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'));`,
    );
    const child = fork(script, { execArgv: [] });
    await new Promise((done) => child.once('exit', done));
    assert.ok((await stat(path)).isSocket());
    server = await takeControl(path);
    server.serve(handlers);
    assert.equal((await replies(path, { command: 'status' })).length, 1);
  });

  it('lets only one of many that start at once have the folder', async () => {
    await server.stop();
    const dead = createServer();
    await new Promise<void>((done) => dead.listen(path, done));
    const abort = new AbortController();
    dead.close();
    const tries = Array.from({ length: 8 }, () => takeControl(path, abort.signal));
    server = await Promise.any(tries);
    abort.abort();
    const got = (await Promise.allSettled(tries)).filter(({ status }) => status === 'fulfilled');
    assert.equal(got.length, 1);
  });

  it('says that nobody answers, and how to find the right one', async () => {
    const nobody = replies(join(folder, 'no.sock'), { command: 'status' });
    await assert.rejects(nobody, /no postern answers .* --state-dir/);
  });
});
