// While a door is open, the folder holds a file with the source that may pass.
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export default async function gate({ folder }, { log }) {
  if (!folder?.startsWith('/')) throw new Error('its section needs a line folder = /run/gate');
  await mkdir(folder, { recursive: true });
  // One file for each grant, named by its id: so it is found again, after a restart too.
  const file = (grant) => join(folder, encodeURIComponent(grant.id));
  return {
    async open(grant, signal) {
      await writeFile(`${file(grant)}.new`, `${grant.source}\n`, { signal });
      await rename(`${file(grant)}.new`, file(grant)); // Nobody reads half a file.
      log.info(`${grant.source} may pass`);
    },
    async close(grant) {
      for (const end of ['.new', '']) await rm(`${file(grant)}${end}`, { force: true });
    },
  };
}
