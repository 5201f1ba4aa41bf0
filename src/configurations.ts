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

/** What grants need of the configuration that they were opened under. */
export type KeptConfiguration = Pick<Configuration, 'doors' | 'sinks'>;

/** Files of versions that knew no sinks hold the doors alone. */
type KeptDoors = (Omit<Door, 'sinks'> & Partial<Pick<Door, 'sinks'>>)[];

export class Configurations implements DoorCatalog {
  readonly #kept = new Map<string, Promise<KeptConfiguration | undefined>>();

  /** `onRead` is told of each configuration read from the folder before a door of it is given out. */
  constructor(
    private readonly folder: string,
    private readonly key: JournalKey,
    private readonly log: Log,
    private readonly onRead: (kept: KeptConfiguration) => Promise<void> = async () => {},
  ) {}

  /** Keeps a configuration and gives its digest, the name that grants know it by. */
  async keep({ doors, sinks }: Configuration): Promise<string> {
    const text = JSON.stringify({ doors, sinks });
    const name = this.#nameOf(text);
    await writePrivateFile(join(this.folder, `${name}.json`), text);
    // The doors of one that was kept before are known by others already.
    if (!this.#kept.has(name)) this.#kept.set(name, Promise.resolve({ doors, sinks }));
    return name;
  }

  async find(door: string, configuration: string): Promise<Door | undefined> {
    const kept = await (this.#kept.get(configuration) ?? this.#read(configuration));
    return kept?.doors.find(({ name }) => name === door);
  }

  /** Forgets what neither a grant nor the running configuration refers to. */
  async prune(keep: ReadonlySet<string>): Promise<void> {
    for (const file of await readdir(this.folder)) {
      const name = FILE.exec(file)?.[1];
      const isDraft = file.endsWith(DRAFT) && !file.endsWith(`.${process.pid}${DRAFT}`);
      if (!isDraft && (name === undefined || keep.has(name))) continue;
      await unlink(join(this.folder, file));
      if (name !== undefined) this.#kept.delete(name);
    }
  }

  #nameOf(text: string): string {
    return digest(this.key, 'configuration', text).slice(0, NAME_LENGTH);
  }

  /** Read once, whoever asks meanwhile; what could not be read is tried again by the next. */
  async #read(name: string): Promise<KeptConfiguration | undefined> {
    if (!FILE.test(`${name}.json`)) return undefined;
    const reading = this.#readFile(name);
    this.#kept.set(name, reading);
    const kept = await reading;
    if (kept === undefined) this.#kept.delete(name);
    return kept;
  }

  /** A file is trusted only if it is still what its name, a keyed digest, says. */
  async #readFile(name: string): Promise<KeptConfiguration | undefined> {
    try {
      const text = await readFile(join(this.folder, `${name}.json`), 'utf8');
      if (this.#nameOf(text) !== name) {
        throw new Error('its content is not what was kept');
      }
      const kept = understood(text);
      await this.onRead(kept);
      return kept;
    } catch (error) {
      this.log.error(
        { configuration: name, reason: reasonOf(error) },
        'a kept configuration cannot be read; grants opened under it cannot run their stop command',
      );
      return undefined;
    }
  }
}

function understood(text: string): KeptConfiguration {
  const kept: KeptConfiguration | KeptDoors = JSON.parse(text);
  if (!Array.isArray(kept)) return kept;
  return { doors: kept.map((door) => ({ ...door, sinks: door.sinks ?? [] })), sinks: [] };
}
