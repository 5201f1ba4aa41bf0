import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type Random, randomFrom } from '../capture/random.js';
import { Client } from '../crash/client.js';
import { section } from '../support/conf.js';
import { LISTENING, type Postern } from '../support/daemon.js';
import { useLab } from '../support/lab.js';
import { linesOf } from '../support/lines.js';
import { poll } from '../support/poll.js';
import { MISHAPS, WIRE, Wire } from './wire.js';

/** Of all mishaps together. */
const LINKS = Number(process.env['FAULTS_LINKS'] ?? 6);
const TIMES = Math.ceil(LINKS / MISHAPS.length);
const SEED = Number(process.env['FAULTS_SEED'] ?? Date.now() % 1_000_000_007);
const SOURCE = '198.51.100.2';
const SEQUENCE = [7000, 9000, 8000];
const BACK_WITHIN_MS = 2000;

describe(`a link that goes and comes (T18; FAULTS_SEED=${SEED})`, () => {
  const lab = useLab();
  let client: Client;
  let wire: Wire;
  let postern: Postern;
  let opened: string;

  beforeEach(async () => {
    client = new Client(lab.network);
    wire = new Wire(lab.network);
    await wire.plugIn();
    opened = join(await lab.folder(), 'opened');
    const start_command = `date +%s%3N >> ${opened}`;
    // It keeps on knocking, as nobody does.
    const conf =
      section('options', { max_attempts_per_minute: 0 }) +
      section('door', { sequence: SEQUENCE.join(','), tcpflags: 'syn', start_command });
    postern = await lab.postern({ conf, interface: WIRE.server, early: true });
    await postern.program.waitFor(LISTENING);
  });
  afterEach(async () => {
    await client.stop();
    await wire.unplug();
  });

  /** Milliseconds until a knock opened again; a source that keeps on knocking is the traffic. */
  async function backAfterMs(what: string): Promise<number> {
    const sinceMs = Date.now();
    const openedMs = await poll(
      async () => {
        await client.knock(SOURCE, SEQUENCE, wire.address);
        return (await linesOf(opened)).map(Number).find((atMs) => atMs >= sinceMs);
      },
      `${what}: a knock opens`,
      10_000,
    );
    return openedMs - sinceMs;
  }

  async function suffer(mishap: (typeof MISHAPS)[number], random: Random): Promise<number> {
    client.disturb(SOURCE, wire.address);
    await wire.suffer(mishap, random);
    const backMs = await backAfterMs(mishap);
    await wire.tidy();
    assert.ok(postern.program.running, 'the core never exits');
    return backMs;
  }

  for (const mishap of MISHAPS) {
    it(`${mishap}, ${TIMES} times: knocks are heard again within 2 s`, async function () {
      this.timeout(20_000 + TIMES * 8000);
      const random = randomFrom(SEED);
      await backAfterMs('at first');
      const backMs: number[] = [];
      for (let time = 0; time < TIMES; time += 1) backMs.push(await suffer(mishap, random));
      process.stderr.write(`${JSON.stringify({ mishap, longestMs: Math.max(...backMs) })}\n`);
      assert.ok(Math.max(...backMs) <= BACK_WITHIN_MS, `back after ${backMs} ms`);
      await postern.stop();
    });
  }
});
