import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { PosternError } from '../../src/errors.js';

/** Where an ordinary user's PATH does not look, but firewall programs are. */
const SYSTEM_FOLDERS = ['/usr/sbin', '/sbin', '/usr/bin', '/bin'];

/**
 * Environment of every program of this room. HOME points nowhere, or `nft -i` would write a history
 * with the addresses of sources; the locale is the one whose words `refusal.ts` knows.
 */
export function environment(): NodeJS.ProcessEnv {
  const path = [process.env['PATH'], ...SYSTEM_FOLDERS].filter(Boolean).join(':');
  return { PATH: path, HOME: '/nonexistent', LC_ALL: 'C' };
}

/** Whether a program is there and may be run; a path stands for itself. */
export function isInstalled(program: string): boolean {
  const folders = program.includes('/') ? [''] : (environment()['PATH'] ?? '').split(':');
  return folders.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** @throws PosternError POSTERN_E_NFT that names the Debian package */
export function requireProgram(program: string, debianPackage: string): void {
  if (isInstalled(program)) return;
  throw new PosternError(
    'POSTERN_E_NFT',
    `${program} is not installed: install the package ${debianPackage} (apt-get install ${debianPackage})`,
  );
}

/** A command that dies with this process, whatever ends it (prctl(2), PR_SET_PDEATHSIG). */
export function endsWithUs(command: readonly string[]): [string, ...string[]] {
  return ['setpriv', '--pdeathsig', 'TERM', ...command];
}
