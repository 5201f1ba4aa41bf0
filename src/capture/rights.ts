/** Who may capture, and as whom the sensor runs (DESIGN 1). */
import { accessSync, constants, readFileSync, realpathSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PosternError } from '../errors.js';

const SENSOR = fileURLToPath(new URL('./sensor.js', import.meta.url));

/** CAP_NET_RAW, capabilities(7). */
const NET_RAW = 1n << 13n;

/** What it takes to start a process as another user with fewer rights, and to end it again. */
const HAND_DOWN = {
  CAP_KILL: 1n << 5n,
  CAP_SETGID: 1n << 6n,
  CAP_SETUID: 1n << 7n,
  CAP_SETPCAP: 1n << 8n,
};

export interface SensorCommand {
  readonly argv: readonly [string, ...string[]];
  /** What an operator should know about the rights it runs with. */
  readonly warning?: string;
}

/** Whether this process may capture; if not, one sentence that says what to run. */
export function canCapture(): { ok: true } | { ok: false; message: string } {
  if ((capabilities('CapEff') & NET_RAW) !== 0n) return { ok: true };
  const message =
    'Capturing packets needs root or CAP_NET_RAW: run it with sudo, or from a systemd unit with AmbientCapabilities=CAP_NET_RAW.';
  return { ok: false, message };
}

/**
 * The command line of a sensor. As root it runs as `user` with CAP_NET_RAW alone; without root, as
 * the same user, with no capability but that.
 * @throws PosternError POSTERN_E_CAPTURE when the user does not exist, or `cap` is not built
 */
export function sensorCommand(user: string): SensorCommand {
  const node = [process.execPath, ...NODE_FLAGS, SENSOR];
  const addon = capAddon();
  if (process.getuid?.() !== 0) return { argv: withoutRoot(node) };
  const held = capabilities('CapEff');
  const missing = Object.entries(HAND_DOWN).flatMap(([name, bit]) =>
    (held & bit) === 0n ? [name] : [],
  );
  if (missing.length > 0) return asItIs(node, missing);
  const { uid, gid } = account(user);
  const raw = ['-all,+net_raw'];
  const limits = ['--inh-caps', ...raw, '--ambient-caps', ...raw, '--bounding-set', ...raw];
  const base = [...NO_CORE, 'setpriv', '--clear-groups', ...limits, ...ENDS_WITH_PARENT] as const;
  const closed = [process.execPath, SENSOR, addon].find((path) => !canRead(path, uid, gid));
  if (closed === undefined)
    return { argv: [...base, '--reuid', String(uid), '--regid', String(gid), ...node] };
  const warning = `The sensor runs as root with CAP_NET_RAW alone, because the user ${user} cannot read ${closed}: install postern where every user can read it.`;
  return { argv: [...base, ...node], warning };
}

/** A unit like Debian's for knockd bounds what even root holds; the sensor then runs as the core. */
function asItIs(node: readonly string[], missing: readonly string[]): SensorCommand {
  const warning = `The sensor runs as root with every right of this process, because ${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing: add to CapabilityBoundingSet in the unit, and it runs as a user of its own with CAP_NET_RAW alone.`;
  return { argv: [...NO_CORE, 'setpriv', ...ENDS_WITH_PARENT, ...node], warning };
}

/** A sensor needs little memory: the ring is outside of the heap. */
const NODE_FLAGS = ['--max-old-space-size=64', '--max-semi-space-size=2'];
/** `cap` aborts when a link goes; a core file would hold the filter. */
const NO_CORE = ['prlimit', '--core=0:0'] as const;
const ENDS_WITH_PARENT = ['--no-new-privs', '--pdeathsig', 'TERM'];

function withoutRoot(node: readonly string[]): readonly [string, ...string[]] {
  if ((capabilities('CapAmb') & NET_RAW) === 0n) {
    // The right lies on node's file: setpriv and no-new-privs would lose it.
    return [...NO_CORE, ...node];
  }
  const raw = '-all,+net_raw';
  const limits = ['--inh-caps', raw, '--ambient-caps', raw];
  return [...NO_CORE, 'setpriv', ...limits, ...ENDS_WITH_PARENT, ...node];
}

function capabilities(name: 'CapEff' | 'CapAmb'): bigint {
  const status = readFileSync('/proc/self/status', 'utf8');
  return BigInt(`0x${new RegExp(`^${name}:\\s*([0-9a-f]+)`, 'm').exec(status)?.[1] ?? '0'}`);
}

/** Path of cap's native part. */
function capAddon(): string {
  try {
    const lib = createRequire(import.meta.url).resolve('cap');
    const addon = join(dirname(lib), '..', 'build', 'Release', 'cap.node');
    accessSync(addon, constants.R_OK);
    return addon;
  } catch (cause) {
    throw capMissing(cause);
  }
}

/** What to tell an operator when `cap` cannot be loaded. */
export function capMissing(cause: unknown): PosternError {
  const message =
    'The capture module "cap" is not built or libpcap is missing: install libpcap-dev (Debian: apt install libpcap-dev), then run npm ci.';
  return new PosternError('POSTERN_E_CAPTURE', message, { cause });
}

function account(user: string): { uid: number; gid: number } {
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [name, , uid, gid] = line.split(':');
    if (name === user && uid !== undefined && gid !== undefined)
      return { uid: Number(uid), gid: Number(gid) };
  }
  const message = `The sensor's user "${user}" is not in /etc/passwd: create it, or name another with sensor_user.`;
  throw new PosternError('POSTERN_E_CAPTURE', message);
}

/** Whether a user without further groups can read the file: every folder above it must let it by. */
function canRead(path: string, uid: number, gid: number): boolean {
  const real = realpathSync(path);
  if (!allows(real, uid, gid, 4)) return false;
  for (let folder = dirname(real); ; folder = dirname(folder)) {
    if (!allows(folder, uid, gid, 1)) return false;
    if (folder === dirname(folder)) return true;
  }
}

function allows(path: string, uid: number, gid: number, bit: number): boolean {
  const stat = statSync(path);
  const shift = stat.uid === uid ? 6 : stat.gid === gid ? 3 : 0;
  return ((stat.mode >> shift) & bit) !== 0;
}
