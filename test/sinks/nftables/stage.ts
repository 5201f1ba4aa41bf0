/** A test network whose server has a TCP service on two ports, and a firewall that postern works on. */
import { once } from 'node:events';
import type { AllowRule, Door } from '../../../config/types.js';
import {
  createNftables,
  type Nftables,
  type NftablesOptions,
} from '../../../sinks/nftables/nftables.js';
import type { SinkGrant } from '../../../sinks/types.js';
import { systemClock } from '../../../src/clock.js';
import { testDoor } from '../../support/door.js';
import { eventually } from '../../support/eventually.js';
import { CLIENT4, createNetwork, type Network, SERVER4 } from '../../support/netns.js';
import { recordingLog } from '../../support/recording-log.js';
import { requireRoot } from '../../support/root.js';

export const SSH = 2222;
export const OTHER = 2300;
export const ssh: AllowRule = { protocol: 'tcp', from: SSH, to: SSH };
export const range: AllowRule = { protocol: 'tcp', from: 2200, to: 2250 };

export const signal = new AbortController().signal;

let grants = 0;

/** A grant with a fresh id. */
export function grantOf(leftMs: number | null, source = CLIENT4): SinkGrant {
  grants += 1;
  const untilMs = leftMs === null ? null : Date.now() + leftMs;
  return { id: `g${grants}`, door: 'test', source, host: 'h', leftMs, untilMs };
}

export function doorWith(...allow: AllowRule[]): Door {
  return testDoor({ allow });
}

export class Stage {
  network!: Network;
  log = recordingLog();
  #nftables: Nftables[] = [];

  async open(): Promise<void> {
    this.network = await createNetwork();
    const script = `for (const port of [${SSH}, ${OTHER}])
      require('net').createServer((s) => s.on('error', () => {}).pipe(s)).listen(port, '::');
      console.log('up')`;
    const service = this.network.spawn('server', [process.execPath, '-e', script]);
    if (service.stdout) await once(service.stdout, 'data');
  }

  /** How programs of the server are started from here. */
  inside(...argv: string[]): [string, ...string[]] {
    return ['ip', 'netns', 'exec', this.network.namespaces.server, ...argv];
  }

  /** Not started yet; stopped after the test. */
  make(options: Partial<NftablesOptions> = {}): Nftables {
    const nftables = createNftables({
      table: undefined,
      guard: true,
      doors: [doorWith(ssh, range, { protocol: 'tcp', from: OTHER, to: OTHER })],
      log: this.log,
      clock: systemClock,
      command: this.inside('nft'),
      conntrack: this.inside('conntrack'),
      ...options,
    });
    this.#nftables.push(nftables);
    return nftables;
  }

  async start(options: Partial<NftablesOptions> = {}): Promise<Nftables> {
    const nftables = this.make(options);
    await nftables.start();
    return nftables;
  }

  /** The user's or anybody's own change of the server's firewall. */
  nft(text: string): Promise<string> {
    return this.network.must('server', ['nft', '-f', '-'], { input: `${text}\n` });
  }

  /** What a list command prints, without elements' timeouts and counters. */
  list(...what: string[]): Promise<string> {
    return this.network.must('server', ['nft', '-n', '-s', 'list', ...what]);
  }

  reaches(port = SSH, host = SERVER4): Promise<boolean> {
    return this.network.connects('client', host, port);
  }

  async opens(port = SSH, host = SERVER4): Promise<void> {
    await eventually(`${host}:${port} opens`, () => this.reaches(port, host), { withinMs: 5000 });
  }

  async shuts(port = SSH, host = SERVER4): Promise<void> {
    const shut = async () => !(await this.reaches(port, host));
    await eventually(`${host}:${port} shuts`, shut, { withinMs: 5000 });
  }

  async tidy(): Promise<void> {
    for (const nftables of this.#nftables.splice(0)) await nftables.stop();
    await this.nft('flush ruleset');
    this.log = recordingLog();
  }

  async close(): Promise<void> {
    await this.network?.dispose();
  }
}

/** Call inside a `describe`: the suite's stage. Skips the suite without root. */
export function useStage(): Stage {
  const stage = new Stage();
  before(async function () {
    requireRoot(this);
    await stage.open();
  });
  afterEach(() => stage.tidy());
  after(() => stage.close());
  return stage;
}
