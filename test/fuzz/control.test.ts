/** The control socket under garbage: memory bounded, and others are answered meanwhile. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ask } from '../../src/control/client.js';
import type { ControlHandlers } from '../../src/control/protocol.js';
import { type ControlServer, takeControl } from '../../src/control/server.js';
import { corpus, fuzz, mutatedText, randomBytes } from './support.js';

const CORPUS = corpus('test/fuzz/corpus/control');

describe('the control socket under garbage', () => {
  let folder = '';
  let path = '';
  let server: ControlServer;
  let closes = 0;

  const handlers: ControlHandlers = {
    status() {
      throw new Error('not in this test');
    },
    async reload() {
      return { reloaded: false, messages: [] };
    },
    async close() {
      closes += 1;
      return { closed: 0, isDone: true, messages: [] };
    },
    async forget(host) {
      return { forgotten: host };
    },
    async *events() {},
  };

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-control-'));
    path = join(folder, 'control.sock');
    server = await takeControl(path);
    server.serve(handlers);
  });
  after(async () => {
    await server.stop();
    await rm(folder, { recursive: true });
  });

  /** Sends the bytes in pieces and resolves with the answer when the server has closed. */
  function send(pieces: readonly Buffer[]): Promise<string> {
    return new Promise((resolve) => {
      let answer = '';
      const socket: Socket = connect(path, () => {
        for (const piece of pieces) socket.write(piece);
        socket.end();
      });
      socket.setEncoding('utf8').on('data', (text: string) => {
        answer += text;
      });
      socket.on('error', () => {});
      socket.on('close', () => resolve(answer));
    });
  }

  async function assertAnswers(): Promise<void> {
    for await (const reply of ask(path, { command: 'reload' }))
      assert.deepEqual(reply, { reloaded: false, messages: [] });
  }

  fuzz('answers each client once, or not at all', 150, async (random) => {
    const text = random.chance(8)
      ? randomBytes(random, 3000)
      : Buffer.from(mutatedText(random, random.pick(CORPUS)), 'latin1');
    const cut = random.below(text.length + 1);
    const answer = await send([text.subarray(0, cut), text.subarray(cut)]);
    assert.ok(answer === '' || /^\{[^\n]*\}\n$/.test(answer), answer);
  });

  it('takes a genuine request', async () => {
    const before = closes;
    await send([Buffer.from('{"command":"close","door":"d","source":"192.0.2.1"}\n')]);
    assert.equal(closes, before + 1);
    await assertAnswers();
  });

  it('gives up on a line without an end, holds little of it, and answers others', async () => {
    const before = process.memoryUsage().rss;
    const chunk = Buffer.alloc(1 << 20, 120);
    let sent = 0;
    let answer = '';
    await new Promise<void>((resolve) => {
      const socket = connect(path, () => {
        const more = () => {
          if (socket.destroyed || sent >= 2 ** 31) socket.destroy();
          else socket.write(chunk, more);
          sent += chunk.length;
        };
        more();
      });
      socket.on('data', (bytes: Buffer) => {
        answer += bytes.toString('utf8');
      });
      socket.on('error', () => {});
      socket.on('close', () => resolve());
    });
    assert.ok(sent < 16e6, `${sent} bytes taken`);
    assert.ok(process.memoryUsage().rss - before < 64e6);
    assert.ok(answer === '' || answer.includes('at most'), answer);
    await assertAnswers();
  });

  it('gives up on a line that comes in the smallest of pieces', async () => {
    const idle = Array.from({ length: 20 }, () => connect(path));
    const answer = await send(Array.from({ length: 70_000 }, () => Buffer.from('x')));
    assert.ok(answer === '' || answer.includes('at most'), answer);
    await assertAnswers();
    for (const socket of idle) socket.destroy();
  });
});
