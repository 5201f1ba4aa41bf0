/** `postern install` and `postern uninstall`: program, units and configuration in place, and gone. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ask } from '../control/client.js';
import type { Status } from '../control/protocol.js';
import { PosternError } from '../errors.js';
import { install, recordUser, uninstall } from '../systemd/installation.js';
import { type Layout, layoutOf, UNITS } from '../systemd/layout.js';
import { nodePath } from '../systemd/program-files.js';
import { type InstallRecord, readRecord } from '../systemd/record.js';
import { controlSocket } from './control-socket.js';

const USER = 'postern';

export interface PlaceOptions {
  readonly prefix: string;
  readonly root?: string;
}

/** @throws PosternError POSTERN_E_INSTALL, with nothing of somebody else's replaced */
export async function runInstall(options: PlaceOptions & { asKnockd?: boolean }): Promise<void> {
  const layout = placeOf('install', options);
  const hadConfiguration = existsSync(layout.at(layout.configuration));
  const made = await install({ layout, asKnockd: options.asKnockd === true });
  await makeUser(layout, made);
  if (layout.isHere && systemdRuns()) systemctl('daemon-reload');
  say(installedText(layout, hadConfiguration, options.asKnockd === true));
}

/** @throws PosternError POSTERN_E_INSTALL when nothing is installed there, or a door would stay open */
export async function runUninstall(options: PlaceOptions & { purge?: boolean }): Promise<void> {
  const layout = placeOf('uninstall', options);
  const made = await readRecord(layout);
  if (made === undefined) throw refusal(`postern is not installed under ${layout.prefix}`);
  const purge = options.purge === true;
  if (layout.isHere) await endRunning();
  await uninstall(layout, made, purge);
  if (layout.isHere && systemdRuns()) systemctl('daemon-reload');
  if (layout.isHere && purge && made.user) spawnSync('userdel', [USER], { stdio: 'inherit' });
  const guard = layout.isHere ? guardText() : '';
  say(`${purge ? 'postern is gone.' : uninstalledText(made, layout)}${guard}`);
}

function placeOf(command: string, { prefix, root }: PlaceOptions): Layout {
  if (root === undefined && process.geteuid?.() !== 0) {
    throw refusal(
      `run it as root: sudo postern ${command} (or name another place with --root DIR)`,
    );
  }
  if (!/^(\/[\w.+-]+)+$/.test(prefix) || /(^|\/)\.\.?(\/|$)/.test(prefix)) {
    throw refusal(`--prefix takes an absolute path without blanks, not ${prefix}`);
  }
  return layoutOf(prefix, root === undefined ? undefined : resolve(root));
}

/** A package makes the user itself, from the file in sysusers.d. */
async function makeUser(layout: Layout, made: InstallRecord): Promise<void> {
  if (!layout.isHere || userExists()) return;
  const { status, error } = spawnSync('systemd-sysusers', [layout.sysusers], { stdio: 'inherit' });
  if (status === 0 && userExists()) await recordUser(layout, made);
  else {
    const why = error === undefined ? '' : ` (${error.message})`;
    say(`The user ${USER} was not made${why}: postern-nft.service will not start without it.`);
  }
}

function userExists(): boolean {
  return readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .some((line) => line.startsWith(`${USER}:`));
}

/** Stops and disables the units. A door that is open would never be closed again: then it refuses. */
async function endRunning(): Promise<void> {
  const status = await running();
  const open = status?.grants.filter(({ leftSeconds }) => leftSeconds !== null) ?? [];
  if (open.length > 0) {
    const doors = open.length === 1 ? 'a door is' : `${open.length} doors are`;
    throw refusal(`${doors} open and would stay so: wait until postern status shows none`);
  }
  const disable = systemdRuns() ? ['disable', '--now'] : ['disable'];
  systemctl(...disable, ...UNITS);
  const left = status === undefined ? undefined : await running();
  if (left !== undefined) throw refusal(`postern is running (pid ${left.pid}): end it first`);
}

async function running(): Promise<Status | undefined> {
  try {
    for await (const reply of ask(await controlSocket({}), { command: 'status' })) {
      if ('status' in reply) return reply.status;
    }
    return undefined;
  } catch {
    // Nobody answers.
    return undefined;
  }
}

/** sd_booted(3) */
function systemdRuns(): boolean {
  return existsSync('/run/systemd/system');
}

function systemctl(...words: string[]): void {
  // Where there is no systemd there is nothing to be told.
  spawnSync('systemctl', words, { stdio: ['ignore', 'ignore', 'inherit'] });
}

function installedText(layout: Layout, hadConfiguration: boolean, asKnockd: boolean): string {
  const { library, commands, units, configuration } = layout;
  const names = asKnockd ? 'postern, knockd and knock' : 'postern';
  const node = nodePath();
  return [
    `Program        ${library}, run by ${node}`,
    `Commands       ${names} in ${commands}`,
    ...(asKnockd
      ? []
      : [`               (knockd and knock in ${library}/bin, or with --as-knockd)`]),
    `Units          ${UNITS.join(' and ')} in ${units}, not enabled`,
    `Configuration  ${configuration}, ${hadConfiguration ? 'as it was' : 'the harmless example'}`,
    ...(/^\/(home|root)\//.test(node)
      ? [`WARNING: ${node} is in a home folder, which the user of the sensor cannot read`]
      : []),
    '',
    'Next, as root:',
    `  ${join(commands, 'postern')} check ${configuration}`,
    'then, for doors with commands:',
    '  systemctl enable --now postern.service',
    'or, if every door says `allow` and none has a command:',
    `  chgrp ${USER} ${configuration} && chmod 640 ${configuration}`,
    '  systemctl enable --now postern-nft.service',
    'If it runs already: systemctl restart it, to run this version. knockd is stopped by either.',
  ].join('\n');
}

function uninstalledText(made: InstallRecord, layout: Layout): string {
  const { configuration, state, logs } = layout;
  const left = [...(made.configuration ? [configuration] : []), state, logs]
    .filter((path) => existsSync(layout.at(path)))
    .concat(made.user ? [`the user ${USER}`] : []);
  return left.length === 0
    ? 'postern is gone.'
    : `postern is gone. What is left, if you want it to go too: ${left.join(', ')}.`;
}

/** The guard outlives postern, and nobody opens it any more. */
function guardText(): string {
  const { status } = spawnSync('nft', ['list', 'table', 'inet', 'postern'], { stdio: 'ignore' });
  if (status !== 0) return '';
  return '\nIts table is still in the firewall; if it holds the guard, the ports stay shut: nft delete table inet postern';
}

function refusal(message: string): PosternError {
  return new PosternError('POSTERN_E_INSTALL', message);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
