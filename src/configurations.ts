/**
 * The configurations that grants refer to (G7). Each one loaded is kept in the state folder,
 * readable by its owner alone, until no grant refers to it: a grant of a removed or changed door is
 * closed by the command it was opened under. Never in Redis (DESIGN 9).
 */
import { readdir, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Configuration, Door } from '../config/types.js';
import { reasonOf } from './errors.js';
import type { DoorCatalog } from './jobs/types.js';
import { digest, type JournalKey } from './journal/key.js';
import type { Log } from './log/types.js';
import { DRAFT, writePrivateFile } from './state-dir.js';

/** Length of a configuration's name: 192 bits of its keyed digest, base64url. */
const NAME_LENGTH = 32;
const FILE = /^([\w-]{32})\.json$/;

export class Configurations implements DoorCatalog {
  readonly #doors = new Map<string, readonly Door[]>();

  constructor(
    private readonly folder: string,
    private readonly key: JournalKey,
    private readonly log: Log,
  ) {}

  /** Keeps a configuration and gives its digest, the name that grants know it by. */
  async keep(configuration: Configuration): Promise<string> {
    const text = JSON.stringify(configuration.doors);
    const name = this.#nameOf(text);
    await writePrivateFile(join(this.folder, `${name}.json`), text);
    this.#doors.set(name, configuration.doors);
    return name;
  }

  async find(door: string, configuration: string): Promise<Door | undefined> {
    const doors = this.#doors.get(configuration) ?? (await this.#read(configuration));
    return doors?.find(({ name }) => name === door);
  }

  /** Forgets what neither a grant nor the running configuration refers to. */
  async prune(keep: ReadonlySet<string>): Promise<void> {
    for (const file of await readdir(this.folder)) {
      const name = FILE.exec(file)?.[1];
      const isDraft = file.endsWith(DRAFT) && !file.endsWith(`.${process.pid}${DRAFT}`);
      if (!isDraft && (name === undefined || keep.has(name))) continue;
      await unlink(join(this.folder, file));
      if (name !== undefined) this.#doors.delete(name);
    }
  }

  #nameOf(text: string): string {
    return digest(this.key, 'configuration', text).slice(0, NAME_LENGTH);
  }

  /** A file is trusted only if it is still what its name, a keyed digest, says. */
  async #read(name: string): Promise<readonly Door[] | undefined> {
    if (!FILE.test(`${name}.json`)) return undefined;
    try {
      const text = await readFile(join(this.folder, `${name}.json`), 'utf8');
      if (this.#nameOf(text) !== name) {
        throw new Error('its content is not what was kept');
      }
      const doors: readonly Door[] = JSON.parse(text);
      this.#doors.set(name, doors);
      return doors;
    } catch (error) {
      this.log.error(
        { configuration: name, reason: reasonOf(error) },
        'a kept configuration cannot be read; grants opened under it cannot run their stop command',
      );
      return undefined;
    }
  }
}
