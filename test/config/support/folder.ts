import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A temporary folder for one suite: made before it, gone after it. Gives its path when asked. */
export function useFolder(): () => string {
  let path = '';
  before(async () => {
    path = await mkdtemp(join(tmpdir(), 'postern-config-'));
  });
  after(() => rm(path, { recursive: true, force: true }));
  return () => path;
}
