import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { connect as connectSocket, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { all, completed, JournalBench, range } from './support.js';

/** What happens to the next bytes that go over the wire, before it breaks. */
type Fault = 'none' | 'lose requests' | 'lose answers';

/** A wire to redis-server that breaks where a test says. */
class BadWire {
  fault: Fault = 'none';
  breaks = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(upstream: string) {
    this.#server = createServer((client) => {
      const server = connectSocket({ path: upstream });
      this.#join(client, server, 'lose requests');
      this.#join(server, client, 'lose answers');
    });
  }

  async listen(path: string): Promise<void> {
    this.#server.listen(path);
    await once(this.#server, 'listening');
  }

  async close(): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, 'close');
  }

  #join(from: Socket, to: Socket, lost: Fault): void {
    this.#sockets.add(from);
    from.on('error', () => undefined);
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
    from.on('data', (data) => {
      if (this.fault !== lost) return to.write(data);
      this.fault = 'none';
      this.breaks += 1;
      return from.destroy();
    });
  }
}

describe('the journal on a wire that breaks', () => {
  const bench = new JournalBench();
  let wire: BadWire;
  let socket: string;

  before(() => bench.start());
  beforeEach(async () => {
    wire = new BadWire(bench.server.socket);
    socket = join(bench.server.socket, '..', 'wire.sock');
    await wire.listen(socket);
  });
  afterEach(async () => {
    await bench.next();
    await wire.close();
    await rm(socket, { force: true });
  });
  after(() => bench.stop());

  for (const fault of ['lose requests', 'lose answers'] as const) {
    it(`writes each event once and in order (${fault})`, async () => {
      const journal = await bench.open({ target: { socket } });
      wire.fault = fault;
      const events = await Promise.all(range(20).map((index) => journal.append(completed(index))));
      assert.equal(wire.breaks, 1);
      assert.deepEqual(await all(journal.read()), events);
    });

    it(`tells the winner of a claim that it won, and nobody else (${fault})`, async () => {
      const journal = await bench.open({ target: { socket } });
      wire.fault = fault;
      const outcomes = await Promise.all(
        range(20).map((index) => journal.claim('c', completed(index))),
      );
      assert.equal(wire.breaks, 1);
      assert.ok(outcomes[0]);
      assert.deepEqual(outcomes.slice(1).filter(Boolean), []);
      assert.deepEqual(await all(journal.read()), [outcomes[0]]);
    });

    it(`tells whoever is first that its grant is accepted, and nobody else (${fault})`, async () => {
      const journal = await bench.open({ target: { socket } });
      wire.fault = fault;
      const untilMs = Date.now() + 60_000;
      const outcomes = await Promise.all(
        range(20).map((index) => journal.accept('g', untilMs, completed(index), 'c')),
      );
      assert.equal(wire.breaks, 1);
      assert.ok(outcomes[0]);
      assert.deepEqual(outcomes.slice(1).filter(Boolean), []);
      assert.deepEqual(await all(journal.read()), [outcomes[0]]);
      assert.deepEqual(await journal.claimed(['c']), [true]);
    });

    it(`says that a grant was accepted before (${fault})`, async () => {
      const other = await bench.open();
      await other.accept('g', Date.now() + 60_000, completed(1));
      const journal = await bench.open({ target: { socket } });
      wire.fault = fault;
      assert.equal(await journal.accept('g', Date.now() + 60_000, completed(2)), undefined);
      assert.equal(wire.breaks, 1);
    });

    it(`says that a claim was made before (${fault})`, async () => {
      const other = await bench.open();
      await other.claim('c', completed(1));
      const journal = await bench.open({ target: { socket } });
      wire.fault = fault;
      assert.equal(await journal.claim('c', completed(2)), undefined);
      assert.equal(wire.breaks, 1);
    });
  }

  it('takes no strange event under its id for its own', async () => {
    const clock = { now: () => 0, wall: () => 1000 };
    const journal = await bench.open({ target: { socket }, clock });
    wire.fault = 'lose requests';
    const appending = journal.append(completed(1));
    await bench.raw((redis) => redis.xadd(bench.streamKey, '1000-0', 'x', 'y'));
    await assert.rejects(appending, { code: 'POSTERN_E_JOURNAL' });
  });
});
