#!/usr/bin/env node
/** The command `postern`. Each subcommand's room is loaded only when it is asked for. */
import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import type { SinkEvent } from '../../sinks/settings.js';
import { packageVersion } from '../client/version.js';
import type { RotationStep } from '../cluster/rotation.js';
import { main } from './main.js';
import { keepHeapSmall } from './small-heap.js';

const DEFAULT_CONFIG = '/etc/knockd.conf';
const DEFAULT_KEY_FILE = '/etc/postern/cluster.key';
const ROTATION_STEPS: readonly RotationStep[] = ['add', 'use', 'drop'];
const SINK_EVENTS: readonly SinkEvent[] = ['open', 'close', 'failed'];

interface SocketOptions {
  readonly stateDir?: string;
  readonly config?: string;
}

interface CloseOptions {
  readonly json?: boolean;
  readonly host?: string;
}

const stateDirOption = () =>
  new Option('--state-dir <dir>', 'the state folder, over state_dir of the configuration');

function program(): Command {
  const postern = new Command('postern')
    .description('Port knocking that closes its doors.')
    .version(packageVersion(), '-V, --version')
    .showHelpAfterError('(postern --help shows what there is)')
    .exitOverride();

  postern
    .command('run')
    .description('listen in the foreground, open doors and close them')
    .option('-c, --config <file>', 'configuration file, as knockd reads it', DEFAULT_CONFIG)
    .option('-i, --interface <names>', 'interfaces, separated by commas, or any', list)
    .addOption(stateDirOption())
    .option('-4, --only-ip-v4', 'ignore IPv6')
    .option('-v, --verbose', 'print stages and openings as knockd -v does')
    .option('-D, --debug', 'a service log with more detail')
    .action(async (options) => {
      keepHeapSmall();
      const { runDaemon } = await import('./run.js');
      process.exitCode = await runDaemon({ ...options, welcome: true });
    });

  postern
    .command('knock')
    .description('knock on the doors of another machine: postern knock HOST PORT[:udp] …')
    .allowUnknownOption()
    .helpOption(false)
    .argument('[words...]')
    .action(async () => {
      const { runKnock } = await import('./knock.js');
      const words = process.argv.slice(3);
      const { stdout, stderr } = process;
      process.exitCode = await runKnock(words, {
        defaultDelayMs: 20,
        name: 'postern knock',
        stdout,
        stderr,
      });
    });

  postern
    .command('check')
    .description('say everything that is wrong or odd about a configuration')
    .argument('[file]', 'configuration file', DEFAULT_CONFIG)
    .action(async (file: string) => {
      const { checkFile } = await import('./check.js');
      const { listeningTcp, unconnectedUdp } = await import('../capture/listeners.js');
      const listening = { tcp: listeningTcp(), udp: unconnectedUdp() };
      process.exitCode = await checkFile(file, {
        stdout: process.stdout,
        isListening: (protocol, port) => listening[protocol].has(port),
      });
    });

  postern
    .command('replay')
    .description('what a capture file would have done: why a knock did not register')
    .argument('<capture>', 'pcap or pcapng file; - reads standard input')
    .option('-c, --config <file>', 'configuration file', DEFAULT_CONFIG)
    .option(
      '--address <ip>',
      'an address of the host (default: every destination); repeat',
      collect,
    )
    .option('--listening <ports>', 'ports it listened on, as 22,53:udp', collect)
    .option('--json', 'one JSON object a line')
    .action(async (capture: string, options) => {
      const { runReplay } = await import('./replay.js');
      await runReplay(capture, options);
    });

  const asking = (name: string, description: string) =>
    postern
      .command(name)
      .description(description)
      .addOption(stateDirOption())
      .option('-c, --config <file>', 'configuration file that names the state folder')
      .option('--json', 'JSON, one value a line');

  asking('status', 'open doors with the time left, sensors, counters').action(
    async (options: SocketOptions & { json?: boolean }) => {
      const { runStatus } = await import('./status.js');
      await runStatus(await controlSocketOf(options), options.json === true);
    },
  );

  asking('events', 'the journal: what was opened and closed, and when')
    .option('-f, --follow', 'go on with what happens next')
    .action(async (options: SocketOptions & { json?: boolean; follow?: boolean }) => {
      const { runEvents } = await import('./events.js');
      const abort = new AbortController();
      process.once('SIGINT', () => abort.abort());
      const { json = false, follow = false } = options;
      await runEvents(await controlSocketOf(options), { json, follow }, abort.signal);
    });

  asking('reload', 'read the configuration again, as SIGHUP does').action(
    async (options: SocketOptions) => {
      const { runReload } = await import('./reload.js');
      process.exitCode = await runReload(await controlSocketOf(options));
    },
  );

  asking('close', 'close a door that is open for a source, now and on every host')
    .argument('<door>', 'its name')
    .argument('<source>', 'the address that it was opened for')
    .option('--host <name>', 'on that host of the cluster alone')
    .action(async (door: string, source: string, options: SocketOptions & CloseOptions) => {
      const { runClose } = await import('./close.js');
      const { json = false, host } = options;
      const command = { door, source, host, json };
      process.exitCode = await runClose(await controlSocketOf(options), command);
    });

  addCluster(postern);
  addSink(postern);

  const placing = (name: string, description: string) =>
    postern
      .command(name)
      .description(description)
      .option('--prefix <dir>', 'where the program lies', '/usr/local')
      .option('--root <dir>', 'a folder that stands for /, to make a package');

  placing('install', 'put program, units and, if there is none, a configuration in place')
    .option('--as-knockd', 'also as the commands knockd and knock')
    .action(async (options) => (await import('./install.js')).runInstall(options));

  placing('uninstall', 'take away what install put in place')
    .option('--purge', 'state, logs, user and configuration too')
    .action(async (options) => (await import('./install.js')).runUninstall(options));
  return postern;
}

/** `postern cluster …` */
function addCluster(postern: Command): void {
  const cluster = postern
    .command('cluster')
    .description('the key that the hosts of a cluster share, and hosts that are gone');
  const onFile = (words: string, description: string) =>
    cluster
      .command(words)
      .description(description)
      .argument('[file]', 'the key file', DEFAULT_KEY_FILE);
  const room = () => import('./cluster.js');

  onFile('init', 'make the key of a new cluster').action(async (file: string) => {
    await (await room()).runClusterInit(file);
  });
  onFile('key', 'which keys the file holds, to compare hosts by eye').action(
    async (file: string) => {
      await (await room()).runClusterKey(file);
    },
  );
  cluster
    .command('rotate')
    .description('replace the key while the hosts run: add, then use, then drop')
    .addArgument(new Argument('<step>', 'one after the other').choices(ROTATION_STEPS))
    .argument('[file]', 'the key file', DEFAULT_KEY_FILE)
    .action(async (step: RotationStep, file: string) => {
      await (await room()).runClusterRotate(step, file);
    });
  cluster
    .command('forget')
    .description('show a host no more that will not come back')
    .argument('<host>', 'its name')
    .addOption(stateDirOption())
    .option('-c, --config <file>', 'configuration file that names the state folder')
    .action(async (host: string, options: SocketOptions) => {
      await (await room()).runClusterForget(await controlSocketOf(options), host);
    });
}

/** `postern sink …` */
function addSink(postern: Command): void {
  postern
    .command('sink')
    .description('the sinks of the configuration: webhooks, mail, modules')
    .command('test')
    .description('call a sink once, with a grant that is marked as a test')
    .argument('<name>', 'its section: webhook:NAME, email:NAME or module:NAME')
    .option('-c, --config <file>', 'configuration file', DEFAULT_CONFIG)
    .addOption(new Option('--event <event>', 'what it is told of').choices(SINK_EVENTS))
    .action(async (name: string, options: { config: string; event?: SinkEvent }) => {
      const { runSinkTest } = await import('./sink-test.js');
      const abort = new AbortController();
      process.once('SIGINT', () => abort.abort());
      const { stdout, stderr } = process;
      await runSinkTest(name, { ...options, stdout, stderr, signal: abort.signal }).finally(() => {
        // What a module has begun must not keep it running.
        setTimeout(() => process.exit(), 200).unref();
      });
    });
}

async function controlSocketOf(options: SocketOptions): Promise<string> {
  const { controlSocket } = await import('./control-socket.js');
  return controlSocket(options);
}

function list(text: string): string[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.includes('')) throw new InvalidArgumentError('write names as eth0,wg0');
  return names;
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, value];
}

await main('postern', () => program().parseAsync());
