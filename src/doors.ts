/** The doors of this host as they stand: the configuration, and each door's current sequence. */
import type { Configuration, Door } from '../config/types.js';
import { DoorTable, type MatchDoor } from '../machines/doors.js';
import type { CapturePlan } from './capture/types.js';
import type { SharedCompletion } from './cluster/cluster.js';
import type { DoorStatus } from './control/protocol.js';
import { type ListeningDoor, listeningDoors } from './match-doors.js';
import type { OneTimeDoors } from './one-time.js';

export class Doors {
  #configuration: Configuration;
  #digest: string;
  #listening: readonly ListeningDoor[] = [];
  #table: DoorTable | undefined;

  private constructor(
    configuration: Configuration,
    digest: string,
    private readonly oneTime: OneTimeDoors,
  ) {
    this.#configuration = configuration;
    this.#digest = digest;
  }

  static async load(
    configuration: Configuration,
    digest: string,
    oneTime: OneTimeDoors,
  ): Promise<Doors> {
    const doors = new Doors(configuration, digest, oneTime);
    await doors.change(configuration, digest);
    return doors;
  }

  get configuration(): Configuration {
    return this.#configuration;
  }

  /** Keyed digest of the running configuration. */
  get digest(): string {
    return this.#digest;
  }

  /** Takes another configuration; doors that did not change keep their attempts (G7). */
  async change(configuration: Configuration, digest: string): Promise<void> {
    for (const door of configuration.doors) await this.oneTime.refresh(door);
    this.#configuration = configuration;
    this.#digest = digest;
    this.#rebuild();
  }

  /** A one-time door's sequence was knocked: it listens for the next at once (M11). */
  advance(door: Door): void {
    this.oneTime.advance(door);
    this.#rebuild();
  }

  /** The knock of a one-time sequence is done with; `refresh` says what became of it. */
  settle(door: Door, ownClaim: string): void {
    this.oneTime.settle(door, ownClaim);
  }

  /** What the file and the claims say of a one-time door now. */
  async refresh(door: Door): Promise<void> {
    await this.oneTime.refresh(door);
    this.#rebuild();
  }

  table(): DoorTable {
    return this.#table ?? this.#rebuild();
  }

  plan(): CapturePlan {
    const { strayLimit, ignorePorts } = this.#configuration.options;
    const doors = this.#listening.map(({ match }) => match);
    return { doors, strays: strayLimit !== 'off', ignorePorts };
  }

  /** A door by its name, with the digest of the configuration that it stands in. */
  here(name: string): { readonly door: Door; readonly configuration: string } | undefined {
    const door = this.#configuration.doors.find((each) => each.name === name);
    return door && { door, configuration: this.#digest };
  }

  /** What is journalled when a source completed what `match` listens for. */
  completion(match: MatchDoor, source: string): SharedCompletion | undefined {
    const door = this.#listening.find((listening) => listening.match === match)?.door;
    if (door === undefined) return undefined;
    const completion = { door, configuration: this.#digest, source };
    if (door.sequence.kind === 'fixed') return completion;
    const { own, cluster } = this.oneTime.claimsOf(door, match.knocks);
    return { ...completion, claim: own, clusterClaims: cluster };
  }

  status(): readonly DoorStatus[] {
    return this.#configuration.doors.map((door) => {
      if (door.sequence.kind === 'oneTime') {
        const knocks = this.oneTime.current(door)?.length ?? 0;
        return { door: door.name, knocks, sequencesLeft: this.oneTime.left(door) };
      }
      return { door: door.name, knocks: door.sequence.knocks.length };
    });
  }

  #rebuild(): DoorTable {
    const { doors, options } = this.#configuration;
    const sequenceOf = (door: Door) =>
      door.sequence.kind === 'fixed' ? door.sequence.knocks : this.oneTime.current(door);
    this.#listening = listeningDoors(doors, sequenceOf, this.#listening);
    const matches = this.#listening.map(({ match }) => match);
    this.#table = new DoorTable(matches, options, this.#table);
    return this.#table;
  }
}
