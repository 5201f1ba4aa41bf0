import { Resolver } from 'node:dns/promises';

/** What a name may look like: whoever owns an address chooses its name, and it stands in a log. */
const NAME = /^[A-Za-z0-9_]([A-Za-z0-9._-]{0,252})$/;
const MAX_NAMES = 256;
const LOOKUP_MS = 1_000;

/** Finds the names of an address; `Resolver.reverse` of node:dns fits. */
export type Reverse = (address: string) => Promise<readonly string[]>;

/**
 * The names of sources that opened a door (`-l`). Never asked while a source knocks: somebody who
 * watches the resolver would learn the first port of a sequence (knockd(1), SECURITY NOTES).
 */
export class SourceNames {
  readonly #reverse: Reverse;
  /** The oldest goes first; undefined: it has none. */
  readonly #names = new Map<string, string | undefined>();

  constructor(reverse: Reverse = systemReverse()) {
    this.#reverse = reverse;
  }

  /** `SRC (name)` where the name was found before, else `SRC`. Asks nobody. */
  known(source: string): string {
    const name = this.#names.get(source);
    return name === undefined ? source : `${source} (${name})`;
  }

  /** As `known`, after asking for the name; never rejects. */
  async find(source: string): Promise<string> {
    if (!this.#names.has(source)) this.#keep(source, await this.#ask(source));
    return this.known(source);
  }

  async #ask(source: string): Promise<string | undefined> {
    try {
      const [name] = await this.#reverse(source);
      return name !== undefined && NAME.test(name) ? name : undefined;
    } catch {
      // No name, or no resolver: the address says enough.
      return undefined;
    }
  }

  #keep(source: string, name: string | undefined): void {
    this.#names.set(source, name);
    if (this.#names.size <= MAX_NAMES) return;
    for (const oldest of this.#names.keys()) {
      this.#names.delete(oldest);
      return;
    }
  }
}

function systemReverse(): Reverse {
  const resolver = new Resolver({ timeout: LOOKUP_MS, tries: 1 });
  return (address) => resolver.reverse(address);
}
