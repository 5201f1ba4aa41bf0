/** The directives of [options], their defaults and bounds. */
import { CLUSTER_DIRECTIVES } from './cluster.js';
import type { Directive } from './directives.js';
import { nftTable } from './firewall-values.js';
import { good } from './reading.js';
import type { Door, Options } from './types.js';
import {
  absolutePath,
  byteSize,
  interfaceNames,
  limitOrOff,
  oneOf,
  part,
  portRanges,
  redisUrl,
  seconds,
  someSeconds,
  userName,
  verbatim,
  wholeNumber,
  yesOrNo,
} from './values.js';

/** Directives of a door whose default for every door may stand in [options]. */
export type DoorDefaults = Pick<
  Door,
  'runOn' | 'reknock' | 'cooldownMs' | 'commandTimeoutMs' | 'stopRetries'
>;

export type OptionsDraft = Options & DoorDefaults;

/**
 * Ring of the kernel's capture, for each interface; takes twice that memory. Chosen by measurement
 * (docs/performance.md): of 100,000 packets a second, 4 MiB lose 2 %, 16 MiB 0.3 %, 32 MiB 0.05 %.
 */
export const DEFAULT_CAPTURE_BUFFER_BYTES = 16 * 1024 * 1024;

/**
 * Different stray ports of a source or an attempt that are remembered. Each packet is looked for
 * among them: 17 µs with so many, 210 µs with ten times as many, and one source can send a flood.
 */
const MOST_STRAYS = 2000;

export const DEFAULT_OPTIONS: OptionsDraft = {
  useSyslog: false,
  log: true,
  pidFile: '/var/run/knockd.pid',
  stateDir: '/var/lib/postern',
  strayLimit: 3,
  scanLimit: 20,
  ignorePorts: [],
  maxAttemptsPerMinute: 60,
  maxSources: 1_048_576,
  maxMachines: 65_536,
  maxCommands: 64,
  captureBufferBytes: DEFAULT_CAPTURE_BUFFER_BYTES,
  closeOnExit: false,
  sensorUser: 'nobody',
  nftGuard: false,
  journalLength: 100_000,
  clusterKeyFile: '/etc/postern/cluster.key',
  redisWait: 0,
  clockToleranceMs: 2000,
  runOn: 'here',
  reknock: 'extend',
  cooldownMs: 0,
  commandTimeoutMs: 60_000,
  stopRetries: 10,
};

/** May stand at a door, and in [options] as the default of all doors. */
export const SHARED_DIRECTIVES: readonly Directive<DoorDefaults>[] = [
  { name: 'run_on', read: part(oneOf('here', 'everywhere', 'once'), (runOn) => ({ runOn })) },
  {
    name: 'reknock',
    read: part(oneOf('extend', 'rerun', 'ignore'), (reknock) => ({ reknock })),
  },
  { name: 'cooldown', read: part(seconds, (cooldownMs) => ({ cooldownMs })) },
  {
    name: 'command_timeout',
    read: part(someSeconds, (commandTimeoutMs) => ({ commandTimeoutMs })),
  },
  { name: 'stop_retries', read: part(wholeNumber(0, 1000), (stopRetries) => ({ stopRetries })) },
];

export const OPTION_DIRECTIVES: readonly Directive<OptionsDraft>[] = [
  { name: 'UseSyslog', alone: true, read: () => good({ useSyslog: true }) },
  { name: 'LogFile', read: part(verbatim, (logFile) => ({ logFile })) },
  { name: 'PidFile', read: part(verbatim, (pidFile) => ({ pidFile })) },
  {
    name: 'Interface',
    // knockd takes an interface only while it has none.
    repeated: 'first counts',
    read: part(interfaceNames, (interfaces) => (interfaces.length > 0 ? { interfaces } : {})),
  },
  { name: 'state_dir', read: part(absolutePath, (stateDir) => ({ stateDir })) },
  { name: 'local_redis', read: part(redisUrl, (localRedis) => ({ localRedis })) },
  { name: 'log', read: part(yesOrNo, (log) => ({ log })) },
  { name: 'stray_limit', read: part(limitOrOff(MOST_STRAYS), (strayLimit) => ({ strayLimit })) },
  { name: 'scan_limit', read: part(wholeNumber(1, MOST_STRAYS), (scanLimit) => ({ scanLimit })) },
  { name: 'ignore_ports', read: part(portRanges, (ignorePorts) => ({ ignorePorts })) },
  {
    name: 'max_attempts_per_minute',
    read: part(wholeNumber(0, 10_000), (maxAttemptsPerMinute) => ({ maxAttemptsPerMinute })),
  },
  { name: 'max_sources', read: part(wholeNumber(1, 2 ** 24), (maxSources) => ({ maxSources })) },
  { name: 'max_machines', read: part(wholeNumber(1, 2 ** 22), (maxMachines) => ({ maxMachines })) },
  { name: 'max_commands', read: part(wholeNumber(1, 4096), (maxCommands) => ({ maxCommands })) },
  {
    name: 'capture_buffer',
    read: part(byteSize(64 * 1024, 1024 * 1024 * 1024), (captureBufferBytes) => ({
      captureBufferBytes,
    })),
  },
  { name: 'close_on_exit', read: part(yesOrNo, (closeOnExit) => ({ closeOnExit })) },
  { name: 'sensor_user', read: part(userName, (sensorUser) => ({ sensorUser })) },
  { name: 'nft_guard', read: part(yesOrNo, (nftGuard) => ({ nftGuard })) },
  { name: 'nft_table', read: part(nftTable, (table) => ({ nftTable: table })) },
  {
    name: 'journal_length',
    read: part(wholeNumber(1000, 100_000_000), (journalLength) => ({ journalLength })),
  },
  ...CLUSTER_DIRECTIVES,
  ...SHARED_DIRECTIVES,
];
