import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { silentLog } from '../../../src/log/types.js';
import { connect, hangUp } from '../../../src/redis/connect.js';
import { freePort } from '../../redis/ports.js';
import { Scratch, strangeRedis } from '../../redis/support.js';
import { eventually } from '../../support/eventually.js';

const NAME = 'the-primary';

/** Two primaries, the first of which is stale, and a Sentinel that says so a moment too late. */
describe('a primary that was replaced while a connection to it was made', function () {
  this.timeout(20_000);
  const scratch = new Scratch();
  afterEach(() => scratch.clear());

  it('is left at once', async () => {
    const [stale, present] = [await primary(), await primary()];
    const sentinel = await lateSentinel(stale, present);
    const redis = connect({
      target: { url: `redis+sentinel://127.0.0.1:${sentinel}/${NAME}` },
      role: 'append',
      log: silentLog,
    });
    scratch.owns(() => hangUp(redis));
    const isThere = () => redis.status === 'ready' && redis.stream.remotePort === present;
    await eventually('the present primary', isThere);
    assert.equal(await redis.set('a', 1), 'OK');
  });

  async function primary(): Promise<number> {
    const port = await freePort();
    const dir = `${await scratch.dir()}/${port}`;
    await mkdir(dir);
    await strangeRedis(scratch, dir, ['bind 127.0.0.1', `port ${port}`]);
    return port;
  }

  /** Tells of the change between the question and its answer, which is the old one. */
  async function lateSentinel(stale: number, present: number): Promise<number> {
    const listeners = new Set<Socket>();
    const sockets = new Set<Socket>();
    let hasTold = false;
    const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`;
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('data', (data) => void answer(socket, data.toString('latin1').toLowerCase()));
    });
    async function answer(socket: Socket, asked: string): Promise<void> {
      if (asked.includes('hello')) socket.write(`%1\r\n${bulk('proto')}:3\r\n`);
      for (const _ of asked.matchAll(/setinfo/g)) socket.write('+OK\r\n');
      if (asked.includes('subscribe')) {
        listeners.add(socket);
        socket.write(`>3\r\n${bulk('subscribe')}${bulk('+switch-master')}:1\r\n`);
      } else if (asked.includes('get-master-addr-by-name')) {
        await eventually('somebody listens', () => listeners.size > 0, { everyMs: 1 });
        const port = hasTold ? present : stale;
        if (!hasTold) {
          const text = `${NAME} 127.0.0.1 ${stale} 127.0.0.1 ${present}`;
          const message = `>3\r\n${bulk('message')}${bulk('+switch-master')}${bulk(text)}`;
          for (const each of listeners) each.write(message);
          hasTold = true;
        }
        // The message is read before.
        await sleep(50);
        socket.write(`*2\r\n${bulk('127.0.0.1')}${bulk(String(port))}`);
      }
    }
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    scratch.owns(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const address = server.address();
    return typeof address === 'object' && address ? address.port : 0;
  }
});
