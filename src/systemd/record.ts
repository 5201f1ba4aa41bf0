/** What an installation made, so that uninstalling takes away just that. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { PosternError, reasonOf } from '../errors.js';
import type { Layout } from './layout.js';

const record = z.object({
  /** Files and links outside of the program's folder, as paths of the installed system. */
  files: z.array(z.string()),
  /** Folders that were not there, the outer before the inner. */
  folders: z.array(z.string()),
  /** Whether the configuration is the example that was put there. */
  configuration: z.boolean(),
  /** Whether the user postern was made. */
  user: z.boolean(),
});

export type InstallRecord = z.infer<typeof record>;

export const NOTHING: InstallRecord = { files: [], folders: [], configuration: false, user: false };

export const RECORD = 'installed.json';

/** Undefined when nothing is installed there. */
export async function readRecord(layout: Layout): Promise<InstallRecord | undefined> {
  const path = layout.at(join(layout.library, RECORD));
  try {
    return record.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new PosternError('POSTERN_E_INSTALL', `${path} cannot be read (${reasonOf(error)})`);
  }
}
