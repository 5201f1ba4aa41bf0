/** A wire between server and client, beside that of every test network, to be mistreated. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../capture/random.js';
import type { Network, Side } from '../support/netns.js';

export const WIRE = { server: 'wire0', client: 'wire1' } as const;
/** The server's addresses there; the client has .2 in both networks. */
const ADDRESSES = ['198.51.100.1', '198.51.100.3'] as const;
/** How long it is gone, at most; milliseconds. */
const GONE_MS = 1500;

export const MISHAPS = [
  'down and up',
  'the other end down and up',
  'deleted and made again',
  'renamed and renamed back',
  'renamed, and another one takes its name',
  'another address',
] as const;
export type Mishap = (typeof MISHAPS)[number];

export class Wire {
  /** The server's present address. */
  address: (typeof ADDRESSES)[number] = ADDRESSES[0];

  constructor(private readonly network: Network) {}

  async plugIn(): Promise<void> {
    const { server, client } = this.network.namespaces;
    const pair = `link add ${WIRE.server} netns ${server} type veth peer name ${WIRE.client} netns ${client}`;
    await this.network.must('server', ['ip', ...pair.split(' ')]);
    await this.#ip('server', `addr add ${this.address}/24 dev ${WIRE.server}`);
    await this.#ip('client', `addr add 198.51.100.2/24 dev ${WIRE.client}`);
    await this.#ip('client', `link set ${WIRE.client} up`);
    await this.#ip('server', `link set ${WIRE.server} up`);
  }

  /** Lets it happen; resolves as soon as the link is there again. */
  async suffer(mishap: Mishap, random: Random): Promise<void> {
    // Every other time for a moment only: sooner than anybody looks again.
    const gone = () => sleep(random.chance(2) ? random.below(GONE_MS) : 0);
    const { server, client } = WIRE;
    switch (mishap) {
      case 'down and up':
        await this.#ip('server', `link set ${server} down`);
        await gone();
        return this.#ip('server', `link set ${server} up`);
      case 'the other end down and up':
        await this.#ip('client', `link set ${client} down`);
        await gone();
        return this.#ip('client', `link set ${client} up`);
      case 'deleted and made again':
        await this.#ip('server', `link del ${server}`);
        await gone();
        return this.plugIn();
      case 'renamed and renamed back':
        await this.#rename('server', server, 'elsewhere');
        await gone();
        return this.#rename('server', 'elsewhere', server);
      case 'renamed, and another one takes its name':
        return this.#swap();
      case 'another address': {
        const [one, other] = ADDRESSES;
        const before = this.address;
        this.address = before === one ? other : one;
        await this.#ip('server', `addr del ${before}/24 dev ${server}`);
        return this.#ip('server', `addr add ${this.address}/24 dev ${server}`);
      }
    }
  }

  async unplug(): Promise<void> {
    await this.network.exec('server', ['ip', 'link', 'del', WIRE.server]);
    await this.tidy();
  }

  /** Removes what a mishap left behind. */
  async tidy(): Promise<void> {
    await this.network.exec('server', ['ip', 'link', 'del', 'elsewhere']);
  }

  /**
   * At one go, and the first one stays up: nothing but the index tells them apart. What is away for
   * a moment only may never be seen to be away.
   */
  async #swap(): Promise<void> {
    const { server, client } = WIRE;
    await this.#rename('client', client, 'elsewhere');
    await this.#ip('client', 'addr flush dev elsewhere');
    const { client: namespace } = this.network.namespaces;
    const lines = [
      `link set ${server} name elsewhere`,
      'addr flush dev elsewhere',
      `link add ${server} type veth peer name ${client} netns ${namespace}`,
      `addr add ${this.address}/24 dev ${server}`,
      `link set ${server} up`,
    ];
    await this.network.must('server', ['ip', '-batch', '-'], { input: `${lines.join('\n')}\n` });
    await this.#ip('client', `addr add 198.51.100.2/24 dev ${client}`);
    await this.#ip('client', `link set ${client} up`);
  }

  async #rename(side: Side, from: string, to: string): Promise<void> {
    const live = await this.network.exec(side, ['ip', 'link', 'set', from, 'name', to]);
    // Kernels before 6.2 rename only what is down.
    if (live.code === 0) return;
    await this.#ip(side, `link set ${from} down`);
    await this.#ip(side, `link set ${from} name ${to}`);
    await this.#ip(side, `link set ${to} up`);
  }

  async #ip(side: Side, words: string): Promise<void> {
    await this.network.must(side, ['ip', ...words.split(' ')]);
  }
}
