/** Where `postern install` puts things. Paths are those of the installed system; `at` finds them now. */
import { join } from 'node:path';

export const UNITS = ['postern.service', 'postern-nft.service'] as const;

export interface Layout {
  readonly prefix: string;
  /** The program: dist, packages, pages, and starters under its three names. */
  readonly library: string;
  readonly commands: string;
  readonly units: string;
  readonly sysusers: string;
  readonly configuration: string;
  readonly state: string;
  readonly logs: string;
  /** Whether it is this machine's own file system, and not one that is being put together. */
  readonly isHere: boolean;
  /** Where a path of the installed system lies at this moment. */
  at(path: string): string;
}

/** systemd reads units below these two itself; of another prefix it knows nothing. */
const KNOWN_TO_SYSTEMD = new Set(['/usr', '/usr/local']);

/** @param root a folder that stands for `/`, for packages and tests */
export function layoutOf(prefix: string, root?: string): Layout {
  const settings = KNOWN_TO_SYSTEMD.has(prefix) ? `${prefix}/lib` : '/etc';
  return {
    prefix,
    library: join(prefix, 'lib/postern'),
    commands: join(prefix, 'bin'),
    units: join(settings, 'systemd/system'),
    sysusers: join(settings, 'sysusers.d/postern.conf'),
    configuration: '/etc/knockd.conf',
    state: '/var/lib/postern',
    logs: '/var/log/postern',
    isHere: root === undefined,
    at: (path) => (root === undefined ? path : join(root, path)),
  };
}
