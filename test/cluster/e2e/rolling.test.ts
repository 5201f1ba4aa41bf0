import assert from 'node:assert/strict';
import { copyFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { node } from '../../support/daemon.js';
import { eventually } from '../../support/eventually.js';
import { mustRun } from '../../support/run.js';
import type { Bastion } from '../lab/bastion.js';
import { type Cluster, useClusters } from '../lab/cluster.js';
import { kernelDoor, oneTime, sequences, withDoors } from './doors.js';

/** How often each host is restarted while it is knocked at; 10 at most. */
const ROUNDS = Number(process.env['CLUSTER_ROUNDS'] ?? 1);

/** Longer than the test, so that all that was opened is open at its end. */
const cmdTimeout = 120 * ROUNDS;
const here = kernelDoor('here', [7001, 9001, 8001], 2221, { cmdTimeout });
const everywhere = kernelDoor('everywhere', [7002, 9002, 8002], 2222, {
  runOn: 'everywhere',
  cmdTimeout,
});
const once = oneTime(kernelDoor('once', [], 2223, { cmdTimeout }));
const SEQUENCES = sequences(400);
const DOORS = withDoors([here, everywhere, once], { once: SEQUENCES });
const SOURCES = Array.from({ length: 180 }, (_, index) => `192.0.2.${31 + index}`);
const KNOCK_EVERY_MS = 150;
/** From the wire to the journal: what is left of it is memory, and lost when a host ends. */
const TO_THE_JOURNAL_MS = 300;

interface Knock {
  readonly door: string;
  readonly source: string;
  readonly host: Bastion;
}

/** Knocks from one source after the other at whatever host is live, until it is ended. */
class Knockers {
  readonly knocks: Knock[] = [];
  /** Hosts that knocks go to. */
  readonly live: Set<Bastion>;
  #underway: Promise<void> = Promise.resolve();
  #ended = false;
  #used = 0;

  constructor(private readonly cluster: Cluster) {
    this.live = new Set(cluster.hosts);
    this.#underway = this.#run();
  }

  /** No knock goes to the host from here on, and none is under way to it. */
  async spare(host: Bastion): Promise<void> {
    this.live.delete(host);
    await this.#last;
    await sleep(TO_THE_JOURNAL_MS);
  }

  async end(): Promise<void> {
    this.#ended = true;
    await this.#underway;
  }

  #last: Promise<void> = Promise.resolve();

  async #run(): Promise<void> {
    while (!this.#ended && this.knocks.length < SOURCES.length) {
      this.#last = this.#knock();
      await this.#last;
      await sleep(KNOCK_EVERY_MS);
    }
  }

  async #knock(): Promise<void> {
    const index = this.knocks.length;
    const hosts = [...this.live];
    const host = hosts[index % hosts.length];
    const source = SOURCES[index];
    assert.ok(host && source);
    const door = [here, everywhere, once][Math.floor(index / 2) % 3];
    assert.ok(door);
    this.knocks.push({ door: door.name, source, host });
    const { client } = this.cluster;
    if (door !== once) await client.knock([host.v4], door.sequence, { source });
    else {
      const sequence = SEQUENCES[this.#used] ?? [];
      this.#used += 1;
      await client.knock([host.v4], sequence, { source });
      await this.#knownEverywhere();
    }
  }

  /** The next sequence is the user's to knock only when hosts have moved on: at once, for people. */
  async #knownEverywhere(): Promise<void> {
    for (const host of this.live) {
      await eventually(`${host.name} moved on`, async () => {
        const { doors } = await host.status();
        return doors.some(({ sequencesLeft }) => sequencesLeft === SEQUENCES.length - this.#used);
      });
    }
  }
}

describe('a cluster that is knocked at all the time', function () {
  this.timeout(240_000 * ROUNDS);
  const make = useClusters();

  /** Every knock got its grant, on the host that was knocked or on all that live. */
  const noneWasLost = async ({ hosts }: Cluster, knocks: readonly Knock[]) => {
    const opened = async () => {
      const grants = await Promise.all(hosts.map(async (host) => (await host.status()).grants));
      const isOpen = ({ door, source }: Knock, on: Bastion) =>
        grants[hosts.indexOf(on)]?.some((each) => each.door === door && each.source === source);
      return knocks.filter((knock) => {
        const on = knock.door === everywhere.name ? hosts : [knock.host];
        return !on.every((host) => isOpen(knock, host));
      });
    };
    const all = async () => (await opened()).length === 0;
    await eventually('all are open', all, { withinMs: 15_000, everyMs: 500 }).catch(() => {});
    const lost = (await opened()).map(({ door, source, host }) => `${door} ${source} ${host.name}`);
    assert.deepEqual(lost, [], `of ${knocks.length}`);
  };

  it(`loses no knock at a live host while hosts are restarted in turn, ${ROUNDS} times`, async () => {
    const cluster = await make({ ...DOORS, sources: SOURCES });
    const knockers = new Knockers(cluster);
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const host of cluster.hosts) {
        await knockers.spare(host);
        await host.restart();
        await host.is('joined');
        knockers.live.add(host);
      }
    }
    await knockers.end();
    assert.ok(knockers.knocks.length > 15 * ROUNDS, `${knockers.knocks.length} knocks`);
    await noneWasLost(cluster, knockers.knocks);
  });

  it('refuses no knock while its key is replaced', async () => {
    const cluster = await make({ ...DOORS, sources: SOURCES });
    const { hosts } = cluster;
    const [b1] = hosts;
    assert.ok(b1);
    const knockers = new Knockers(cluster);
    for (const step of ['add', 'use', 'drop']) {
      await mustRun(node('postern', 'cluster', 'rotate', step, b1.keyFile));
      for (const host of hosts) {
        if (host !== b1) await copyFile(b1.keyFile, host.keyFile);
        await host.reload();
        await sleep(2 * KNOCK_EVERY_MS);
      }
    }
    await knockers.end();
    assert.ok(knockers.knocks.length > 5, `${knockers.knocks.length} knocks`);
    await noneWasLost(cluster, knockers.knocks);
    for (const host of hosts) {
      assert.equal((await host.cluster()).rejected, 0);
      assert.equal(host.said(/not opened/).length, 0);
      assert.equal((await host.cluster()).hosts.filter(({ state }) => state === 'alive').length, 3);
    }
    // The new key is the only one: a host that starts takes part.
    await b1.restart();
    await b1.is('joined');
  });
});
