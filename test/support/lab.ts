/**
 * The laboratory of an end-to-end suite: a test network with a TCP service on the server, and
 * posterns in it that do not outlive their test.
 */
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, node, type Postern, type PosternOptions, startPostern } from './daemon.js';
import { eventually } from './eventually.js';
import { createNetwork, type Network, type NetworkOptions } from './netns.js';
import { Program } from './program.js';
import { requireRoot } from './root.js';

/** The port of the TCP service behind the doors. It sends back what it is sent. */
export const SERVICE = 2222;

export class Lab {
  #network: Network | undefined;
  readonly #posterns: Postern[] = [];
  readonly #programs: Program[] = [];
  readonly #folders: string[] = [];

  get network(): Network {
    if (!this.#network) throw new Error('the network is there from `before` to `after` only');
    return this.#network;
  }

  async open(options: NetworkOptions): Promise<void> {
    this.#network = await createNetwork(options);
    await this.#startService();
  }

  async #startService(): Promise<void> {
    const script = `require('net').createServer((s) => s.on('error', () => {}).pipe(s))
      .listen(${SERVICE}, '::', () => console.log('up'))`;
    const service = this.network.spawn('server', [process.execPath, '-e', script]);
    if (service.stdout) await once(service.stdout, 'data');
  }

  /** A temporary folder, removed after the test. */
  async folder(): Promise<string> {
    const folder = await makeFolder();
    this.#folders.push(folder);
    return folder;
  }

  /** Writes a file that its owner alone can read. */
  async write(file: string, text: string): Promise<void> {
    await writeFile(file, text, { mode: 0o600 });
  }

  /** Starts a postern on the server; it is ended after the test at the latest. */
  async postern(options: PosternOptions | string): Promise<Postern> {
    const all = typeof options === 'string' ? { conf: options } : options;
    const postern = await startPostern(this.network, all);
    this.#posterns.push(postern);
    return postern;
  }

  /** Starts any program on the server; it is ended after the test at the latest. */
  program(argv: readonly string[], env?: NodeJS.ProcessEnv): Program {
    const program = new Program(this.network.spawn('server', argv, env ? { env } : {}));
    this.#programs.push(program);
    return program;
  }

  /** Starts the real knockd on the server, with its files in that folder, and waits for it. */
  async realKnockd(folder: string, conf: string): Promise<Program> {
    const file = join(folder, 'knockd.conf');
    await writeFile(file, conf);
    const on = this.network.interfaces.server;
    const program = this.program(['knockd', '-v', '-i', on, '-c', file, '-p', `${file}.pid`]);
    await program.waitFor(/listening/);
    return program;
  }

  /** Knocks from the client with the real knock(1), 20 ms between hits. */
  async knock(host: string, hits: readonly string[], ...flags: string[]): Promise<void> {
    await this.network.must('client', ['knock', '-d', '20', ...flags, host, ...hits]);
  }

  /** Knocks from the client with `postern knock`. */
  async posternKnock(host: string, hits: readonly string[]): Promise<void> {
    await this.network.must('client', node('postern', 'knock', host, ...hits));
  }

  /** Whether the client reaches the service. */
  reaches(host: string): Promise<boolean> {
    return this.network.connects('client', host, SERVICE);
  }

  async opens(host: string, withinMs = 3000): Promise<void> {
    await eventually(`${host} opens`, () => this.reaches(host), { withinMs });
  }

  async shuts(host: string, withinMs = 3000): Promise<void> {
    await eventually(`${host} shuts`, async () => !(await this.reaches(host)), { withinMs });
  }

  /** What every postern and program of this test said so far. */
  logs(): string {
    const all = [...this.#posterns.map(({ program }) => program), ...this.#programs];
    return all.map((program) => program.logs).join('\n');
  }

  async tidy(): Promise<void> {
    for (const postern of this.#posterns.splice(0)) await postern.dispose();
    for (const program of this.#programs.splice(0)) await program.dispose();
    for (const folder of this.#folders.splice(0))
      await rm(folder, { recursive: true, force: true });
  }

  async close(): Promise<void> {
    await this.#network?.dispose();
  }
}

/** Call inside a `describe`: the suite's laboratory. Skips the suite without root. */
export function useLab(options: NetworkOptions = {}): Lab {
  const lab = new Lab();
  before(async function () {
    requireRoot(this);
    await lab.open(options);
  });
  afterEach(async function () {
    // Why a door did not open is in the log of the server, not in the assertion.
    if (this.currentTest?.state === 'failed') process.stderr.write(lab.logs());
    await lab.tidy();
  });
  after(() => lab.close());
  return lab;
}
