import { access, readdir, rename, writeFile } from 'node:fs/promises';

/** The library of Debian's package faketime, wherever this machine's architecture has it. */
export async function faketime(): Promise<string> {
  for (const folder of await readdir('/usr/lib')) {
    const library = `/usr/lib/${folder}/faketime/libfaketimeMT.so.1`;
    const isThere = await access(library).then(
      () => true,
      () => false,
    );
    if (isThere) return library;
  }
  throw new Error('install the package faketime (scripts/setup.sh does)');
}

/** Replaced in one step: it is read at every look at the clock. */
export async function setClock(file: string, aheadMs: number): Promise<void> {
  await writeFile(`${file}.new`, `${aheadMs < 0 ? '-' : '+'}${Math.abs(aheadMs) / 1000}`);
  await rename(`${file}.new`, file);
}

/**
 * What makes a core's wall clock the one of `setClock`. The core alone: what it starts does not
 * inherit this, so commands and Redis tell true time.
 */
export function wallClockFrom(file: string, library: string): NodeJS.ProcessEnv {
  return {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  };
}
