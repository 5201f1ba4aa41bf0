#!/usr/bin/env node
/** The command `knockd`: postern with the real knockd's flags (knockd(1)). */
import { parseArgs } from 'node:util';
import { packageVersion } from '../client/version.js';
import { PosternError, reasonOf } from '../errors.js';
import { main } from './main.js';
import { keepHeapSmall } from './small-heap.js';

const USAGE = `usage: knockd [options]
options:
  -i, --interface <int>  network interface to listen on (default "eth0")
  -d, --daemon           run as a daemon
  -c, --config <file>    use an alternate config file
  -D, --debug            output debug messages
  -l, --lookup           lookup DNS names of sources that opened a door
  -p, --pidfile <file>   use an alternate pidfile
  -g, --logfile <file>   use an alternate logfile
  -v, --verbose          be verbose
  -4, --only-ip-v4       do not track ipv6
      --state-dir <dir>  where postern keeps its state (default /var/lib/postern)
  -V, --version          display version
  -h, --help             this help
`;

const OPTIONS = {
  interface: { type: 'string', short: 'i' },
  daemon: { type: 'boolean', short: 'd' },
  config: { type: 'string', short: 'c' },
  debug: { type: 'boolean', short: 'D' },
  lookup: { type: 'boolean', short: 'l' },
  pidfile: { type: 'string', short: 'p' },
  logfile: { type: 'string', short: 'g' },
  verbose: { type: 'boolean', short: 'v' },
  'only-ip-v4': { type: 'boolean', short: '4' },
  'state-dir': { type: 'string' },
  version: { type: 'boolean', short: 'V' },
  help: { type: 'boolean', short: 'h' },
} as const;

async function runKnockd(): Promise<void> {
  const values = readWords();
  if (values.help === true) process.stdout.write(USAGE);
  else if (values.version === true) process.stdout.write(`knockd (postern ${packageVersion()})\n`);
  else {
    keepHeapSmall();
    const { daemonize, isDaemonChild, runAsChild } = await import('./daemonize.js');
    const { runDaemon } = await import('./run.js');
    process.title = 'knockd';
    const options = {
      config: values.config ?? '/etc/knockd.conf',
      ...(values.interface !== undefined && { interface: values.interface.split(/\s*,\s*/) }),
      ...(values['state-dir'] !== undefined && { stateDir: values['state-dir'] }),
      ...(values.logfile !== undefined && { logFile: values.logfile }),
      onlyIpV4: values['only-ip-v4'] === true,
      verbose: values.verbose === true,
      debug: values.debug === true,
      lookup: values.lookup === true,
    };
    if (values.daemon !== true) process.exitCode = await runDaemon(options);
    else if (isDaemonChild()) process.exitCode = await runAsChild(options, values.pidfile);
    else process.exitCode = await daemonize(options);
  }
}

function readWords() {
  try {
    return parseArgs({ options: OPTIONS }).values;
  } catch (error) {
    throw new PosternError('POSTERN_E_USAGE', `${reasonOf(error)}\n${USAGE.trimEnd()}`);
  }
}

await main('knockd', runKnockd);
