/** The network of a cluster for tests: `test/cluster/network.sh`, and what runs in its namespaces. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { cloneFolder } from '../../support/clone.js';
import { type Network, networkIn } from '../../support/netns.js';
import { pidAlive } from '../../support/processes.js';
import { mustRun, run } from '../../support/run.js';

/** A host on the bridge: Redis, a bastion, a client. */
export type Place = 'redis' | `b${number}` | `c${number}`;

export const REDIS4 = '192.0.2.10';

/** The addresses that network.sh gives; `b1` is .11, `c1` is .21. */
export function addressesOf(place: Place): { readonly v4: string; readonly v6: string } {
  const number = place === 'redis' ? 10 : (place.startsWith('b') ? 10 : 20) + numberOf(place);
  return { v4: `192.0.2.${number}`, v6: `fd00:db8::${number}` };
}

function numberOf(place: Place): number {
  return Number(place.slice(1));
}

/** Names carry the pid of their maker, so that what a killed run left can be told and removed. */
const NAME = /^(pc(\d+)n\d+)-/;
const script = join(cloneFolder(), 'test/cluster/network.sh');
const live = new Set<string>();
let made = 0;

// A run that is aborted before its `after` hooks must not leave namespaces either.
process.once('exit', () => {
  for (const name of live) spawnSync('bash', [script, 'down', name]);
});

export class ClusterNetwork {
  /** A pair of namespaces for each place, as the tools for one server and one client take it. */
  readonly #pairs = new Map<Place, Network>();

  private constructor(
    readonly name: string,
    readonly bastions: readonly Place[],
    readonly clients: readonly Place[],
  ) {}

  /** Makes the namespaces. Needs root. Rejects with what `ip` said. */
  static async make(bastions: number, clients: number): Promise<ClusterNetwork> {
    if (made === 0) await removeStale();
    made += 1;
    const name = `pc${process.pid}n${made}`;
    const numbered = (letter: 'b' | 'c', count: number) =>
      Array.from({ length: count }, (_, index): Place => `${letter}${index + 1}`);
    const network = new ClusterNetwork(name, numbered('b', bastions), numbered('c', clients));
    live.add(name);
    try {
      await mustRun(['bash', script, 'up', name, String(bastions), String(clients)]);
    } catch (error) {
      await network.remove();
      throw error;
    }
    return network;
  }

  /** That place as the server of a network whose client is the first one. */
  at(place: Place): Network {
    const known = this.#pairs.get(place);
    if (known !== undefined) return known;
    const names = { server: `${this.name}-${place}`, client: `${this.name}-c1` };
    const network = networkIn(names, { server: 'eth0', client: 'eth0' });
    this.#pairs.set(place, network);
    return network;
  }

  /** No packet passes between that place and Redis any more; all others do. */
  async cut(place: Place): Promise<void> {
    await mustRun(['bash', script, 'cut', this.name, place]);
  }

  async mend(place: Place): Promise<void> {
    await mustRun(['bash', script, 'mend', this.name, place]);
  }

  /** Ends everything that runs in the namespaces and removes them. */
  async remove(): Promise<void> {
    await Promise.all([...this.#pairs.values()].map((network) => network.dispose()));
    await mustRun(['bash', script, 'down', this.name]);
    live.delete(this.name);
  }
}

/** Removes the networks of test runs that were killed: their maker's pid is no more. */
async function removeStale(): Promise<void> {
  const { stdout } = await run(['ip', 'netns', 'list']);
  const stale = new Set<string>();
  for (const line of stdout.split('\n')) {
    const [, name, maker] = NAME.exec(line) ?? [];
    if (name !== undefined && !pidAlive(Number(maker))) stale.add(name);
  }
  for (const name of stale) await mustRun(['bash', script, 'down', name]);
}
