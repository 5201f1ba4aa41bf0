/** The program as it is installed: compiled code, the packages it needs to run, and its pages. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { PosternError } from '../errors.js';

/** The compiled project: this file is src/systemd/program-files.js in it. */
const COMPILED = fileURLToPath(new URL('../..', import.meta.url));
const COMPILED_PARTS = ['config', 'machines', 'sinks', 'src'];
const PARTS = [
  ...['package.json', 'package-lock.json', 'README.md', 'LICENSE', 'docs'],
  ...['config/knockd.conf', 'config/systemd'],
];
/** That hold parts, but are none themselves. */
const FOLDERS = ['config', 'dist', 'node_modules', 'bin'];
const NAMES = ['postern', 'knockd', 'knock'] as const;

const lockfile = z.object({
  packages: z.record(
    z.string(),
    z.object({ dev: z.boolean().optional(), devOptional: z.boolean().optional() }),
  ),
});

/** The project's folder: the nearest above this file with the lock file of its packages. */
export function projectFolder(): string {
  for (let folder = COMPILED; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package-lock.json'))) return folder;
    if (folder === dirname(folder)) throw notBuilt('it lies in no clone of postern');
  }
}

/**
 * Copies the program to a folder that is not there yet, readable by everyone: the process that
 * captures runs as another user.
 * @param library where the program will lie in the end, for the starters in its `bin`
 * @throws PosternError POSTERN_E_INSTALL when a part was not built
 */
export function copyProgram(folder: string, library: string): void {
  const project = projectFolder();
  if (!existsSync(join(project, 'node_modules/cap/build/Release/cap.node')))
    throw notBuilt('the package cap is not compiled');
  mkdirSync(folder);
  chmodSync(folder, 0o755);
  for (const inner of FOLDERS) {
    mkdirSync(join(folder, inner));
    chmodSync(join(folder, inner), 0o755);
  }
  for (const part of PARTS) copyTree(join(project, part), join(folder, part));
  for (const part of COMPILED_PARTS) copyTree(join(COMPILED, part), join(folder, 'dist', part));
  for (const path of packages(project)) copyPackage(path, project, folder);
  for (const name of NAMES) {
    const starter = `#!/bin/sh\nexec ${nodePath()} ${library}/dist/src/cli/${name}.js "$@"\n`;
    writeFileSync(join(folder, 'bin', name), starter);
    chmodSync(join(folder, 'bin', name), 0o755);
  }
}

/**
 * The Node that starters name. A unit's PATH knows nothing of version managers, and the path of one
 * version goes with the next update: where a usual path leads to this Node, it is that path.
 */
export function nodePath(): string {
  const own = realpathSync(process.execPath);
  const usual = ['/usr/bin/node', '/usr/local/bin/node'];
  return usual.find((path) => existsSync(path) && realpathSync(path) === own) ?? process.execPath;
}

/** Folders of the packages that are needed at run time and are here, none inside another. */
function packages(project: string): string[] {
  const text = readFileSync(join(project, 'package-lock.json'), 'utf8');
  const { packages: all } = lockfile.parse(JSON.parse(text));
  return Object.entries(all)
    .filter(([path, { dev, devOptional }]) => path !== '' && !dev && !devOptional)
    .map(([path]) => path)
    .filter((path) => existsSync(join(project, path)));
}

/** Folders between a package and the program's may hold nothing else: a scope, or a package inside one. */
function copyPackage(path: string, project: string, folder: string): void {
  const inner = path.split('/');
  for (let depth = 1; depth < inner.length; depth += 1) {
    const between = join(folder, ...inner.slice(0, depth));
    mkdirSync(between, { recursive: true });
    chmodSync(between, 0o755);
  }
  copyTree(join(project, path), join(folder, path));
}

/** Types and maps of packages, half of all files, are for those who compile. */
const NOT_AT_RUN_TIME = /\.(?:[cm]?ts|map)$/;

/**
 * Modes do not depend on the umask of whoever cloned. Links are not followed and not copied.
 * Synchronous: of thousands of small files, each would wait three times for its turn.
 */
function copyTree(from: string, to: string): void {
  const stat = lstatSync(from);
  if (stat.isDirectory()) {
    mkdirSync(to, { recursive: true });
    chmodSync(to, 0o755);
    for (const name of readdirSync(from)) {
      // Packages inside a package have an entry of their own, if they are needed.
      if (name !== 'node_modules') copyTree(join(from, name), join(to, name));
    }
  } else if (stat.isFile() && !NOT_AT_RUN_TIME.test(from)) {
    copyFileSync(from, to);
    chmodSync(to, (stat.mode & 0o100) === 0 ? 0o644 : 0o755);
  }
}

function notBuilt(why: string): PosternError {
  const where = relative(process.cwd(), COMPILED) || '.';
  return new PosternError(
    'POSTERN_E_INSTALL',
    `the program in ${where} cannot be installed: ${why}; run npm ci && npm run build in a clone`,
  );
}
