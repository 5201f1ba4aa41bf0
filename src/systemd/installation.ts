/** Puts postern into a system, and takes it out again. Says nothing: `src/cli/install.ts` does. */
import { existsSync, realpathSync } from 'node:fs';
import {
  chmod,
  lstat,
  mkdir,
  readFile,
  readlink,
  rename,
  rm,
  rmdir,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PosternError } from '../errors.js';
import { type Layout, UNITS } from './layout.js';
import { copyProgram, projectFolder } from './program-files.js';
import { type InstallRecord, NOTHING, RECORD, readRecord } from './record.js';

export interface InstallPlan {
  readonly layout: Layout;
  /** The commands `knockd` and `knock` too. */
  readonly asKnockd: boolean;
}

/**
 * Installs, or brings an installation up to date. What is there and not ours is never replaced.
 * @throws PosternError POSTERN_E_INSTALL when something that is not ours stands in the way
 */
export async function install({ layout, asKnockd }: InstallPlan): Promise<InstallRecord> {
  await finishInterrupted(layout);
  const before = (await readRecord(layout)) ?? NOTHING;
  const names = asKnockd ? ['postern', 'knockd', 'knock'] : ['postern'];
  const links = names.map((name) => join(layout.commands, name));
  const units = UNITS.map((name) => join(layout.units, name));
  const files = [...links, ...units, layout.sysusers];
  await assertOurs(files, before, layout);
  const needed = [layout.library, ...files, layout.configuration].map((path) => dirname(path));
  const made: InstallRecord = {
    files: union(before.files, files),
    folders: union(before.folders, missingFolders(needed, layout)),
    configuration: before.configuration || !existsSync(layout.at(layout.configuration)),
    user: before.user,
  };
  for (const folder of made.folders) {
    if (existsSync(layout.at(folder))) continue;
    await mkdir(layout.at(folder), { recursive: true });
    await chmod(layout.at(folder), 0o755);
  }
  await replaceProgram(layout, made);
  for (const link of links) await linkTo(join(layout.library, 'bin', nameOf(link)), link, layout);
  for (const unit of units) {
    await writeShared(layout.at(unit), await unitText(nameOf(unit), layout));
  }
  await writeShared(layout.at(layout.sysusers), await shipped('postern.sysusers'));
  await placeConfiguration(layout);
  return made;
}

/** Keeps in mind that the user postern was made by the installation. */
export async function recordUser(layout: Layout, made: InstallRecord): Promise<void> {
  const path = layout.at(join(layout.library, RECORD));
  await writeShared(path, recordText({ ...made, user: true }));
}

/** Takes away what `install` made; the configuration and the state only when purged. */
export async function uninstall(
  layout: Layout,
  made: InstallRecord,
  purge: boolean,
): Promise<void> {
  for (const file of made.files) await rm(layout.at(file), { force: true });
  if (purge) {
    if (made.configuration) await rm(layout.at(layout.configuration), { force: true });
    for (const folder of [layout.state, layout.logs])
      await rm(layout.at(folder), { recursive: true, force: true });
  }
  await rm(layout.at(layout.library), { recursive: true, force: true });
  for (const folder of made.folders.toReversed()) {
    // Somebody else's by now, when there is something in it.
    await rmdir(layout.at(folder)).catch(() => undefined);
  }
}

async function assertOurs(
  files: readonly string[],
  { files: ours }: InstallRecord,
  layout: Layout,
): Promise<void> {
  const isProgram = existsSync(layout.at(join(layout.library, RECORD)));
  const foreign = files.filter((file) => !ours.includes(file));
  if (!isProgram) foreign.push(layout.library);
  for (const file of foreign) {
    if (!(await isThere(layout.at(file)))) continue;
    throw new PosternError(
      'POSTERN_E_INSTALL',
      `${file} is there already, and no installation of postern made it: remove it, or install elsewhere with --prefix`,
    );
  }
}

/** The new program takes the place of the old one at once; a running one goes on with what it has. */
async function replaceProgram(layout: Layout, made: InstallRecord): Promise<void> {
  const place = layout.at(layout.library);
  const [fresh, old] = [`${place}.new`, `${place}.old`];
  // Installed from the installation itself: the program is there, and this may be all there is of it.
  if (existsSync(place) && projectFolder() === realpathSync(place)) {
    await writeShared(join(place, RECORD), recordText(made));
    return;
  }
  for (const rest of [fresh, old]) await rm(rest, { recursive: true, force: true });
  try {
    copyProgram(fresh, layout.library);
    await writeShared(join(fresh, RECORD), recordText(made));
    if (existsSync(place)) await rename(place, old);
    await rename(fresh, place);
  } finally {
    for (const rest of [fresh, old]) await rm(rest, { recursive: true, force: true });
  }
}

/** An installation that was killed between the two renames left the old program aside. */
async function finishInterrupted(layout: Layout): Promise<void> {
  const place = layout.at(layout.library);
  if (!existsSync(place) && existsSync(`${place}.old`)) await rename(`${place}.old`, place);
}

async function placeConfiguration(layout: Layout): Promise<void> {
  const path = layout.at(layout.configuration);
  if (existsSync(path)) return;
  // `wx`: never over one that came in between.
  const example = await readFile(join(projectFolder(), 'config/knockd.conf'));
  await writeFile(path, example, { mode: 0o600, flag: 'wx' });
}

async function unitText(name: string, { prefix }: Layout): Promise<string> {
  return (await shipped(name)).replaceAll('/usr/local/', `${prefix}/`);
}

function shipped(name: string): Promise<string> {
  return readFile(join(projectFolder(), 'config/systemd', name), 'utf8');
}

async function linkTo(target: string, path: string, layout: Layout): Promise<void> {
  const place = layout.at(path);
  if ((await readlink(place).catch(() => undefined)) === target) return;
  await rm(place, { force: true });
  await symlink(target, place);
}

async function writeShared(path: string, text: string): Promise<void> {
  await writeFile(path, text);
  await chmod(path, 0o644);
}

function missingFolders(folders: readonly string[], layout: Layout): string[] {
  const missing = new Set<string>();
  for (const folder of folders) {
    // A root that is not there itself ends it too.
    for (let each = folder; each !== '/' && !existsSync(layout.at(each)); each = dirname(each))
      missing.add(each);
  }
  return [...missing].sort();
}

function recordText(made: InstallRecord): string {
  return `${JSON.stringify(made, undefined, 2)}\n`;
}

function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function union(...lists: readonly (readonly string[])[]): string[] {
  return [...new Set(lists.flat())];
}
