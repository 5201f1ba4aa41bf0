/** Modules for tests: files in a folder of their own, and the sinks they become. */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createModuleSink } from '../../../sinks/module/module.js';
import type { ModuleSettings } from '../../../sinks/settings.js';
import type { Sink, SinkGrant } from '../../../sinks/types.js';
import { recordingLog } from '../../support/recording-log.js';

export const GRANT: SinkGrant = {
  id: 'test:host-1700000000000-1',
  door: 'vault',
  source: '192.0.2.7',
  host: 'test:host',
  untilMs: 1_700_000_060_000,
  leftMs: 60_000,
  completedAtMs: 1_700_000_000_000,
};

/** What modules under test write to: `globalThis.calls`. */
declare global {
  var calls: string[];
}

export class Workshop {
  /** No link in it, so that messages name it as it is. */
  readonly dir = mkdtempSync(join(realpathSync(tmpdir()), 'postern-module-'));
  readonly log = recordingLog();

  constructor() {
    globalThis.calls = [];
  }

  /** Before each test. */
  fresh(): void {
    globalThis.calls = [];
    this.log.entries.length = 0;
  }

  dispose(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** Writes a module; gives its path. */
  async write(text: string, name = 'sink.mjs'): Promise<string> {
    const path = join(this.dir, name);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  }

  settings(path: string, options: ModuleSettings['options'] = {}): ModuleSettings {
    return { kind: 'module', name: 'module:gate', line: 7, path, options };
  }

  load(path: string, options?: ModuleSettings['options']): Promise<Sink> {
    return createModuleSink(this.settings(path, options), { log: this.log, loadWithinMs: 2000 });
  }

  /** The sink of a module with that text. */
  async sink(text: string, options?: ModuleSettings['options']): Promise<Sink> {
    return this.load(await this.write(text), options);
  }

  messages(): string[] {
    return this.log.entries.map(({ message }) => message);
  }
}

export const never = (): AbortSignal => new AbortController().signal;
