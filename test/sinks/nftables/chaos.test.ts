import type { SinkGrant } from '../../../sinks/types.js';
import { eventually } from '../../support/eventually.js';
import { pidAlive } from '../../support/processes.js';
import { doorWith, grantOf, range, signal, ssh, useStage } from './stage.js';

const ROUNDS = Number(process.env['NFT_ROUNDS'] ?? 8);
const SEED = Number(process.env['NFT_SEED'] ?? Date.now() % 1_000_000);

/** mulberry32: small, and the same everywhere. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

describe('the nftables sink under disturbance', () => {
  const stage = useStage();

  it(`the sets are what the grants say, whatever is killed or flushed meanwhile (NFT_SEED=${SEED})`, async function () {
    this.timeout(20_000 + ROUNDS * 2000);
    const random = randomOf(SEED);
    const nftables = await stage.start();
    const doors = [ssh, range, { ...range, from: 2225, to: 2300 }].map((rule) => doorWith(rule));
    const live = new Map<string, { door: number; grant: SinkGrant }>();

    const change = async (): Promise<void> => {
      const door = random(doors.length);
      const source = `10.2.0.${random(20)}`;
      const key = `${door} ${source}`;
      const held = live.get(key);
      const sink = nftables.sink(doors[door]!, 4);
      if (held === undefined) {
        const grant = grantOf(3_600_000, source);
        live.set(key, { door, grant });
        await sink?.open(grant, signal);
      } else if (random(3) === 0) {
        await sink?.extend?.(held.grant, signal);
      } else {
        live.delete(key);
        await sink?.close?.(held.grant, signal);
      }
    };
    const disturb = async (): Promise<void> => {
      const pid = nftables.pids[random(2)];
      const what = random(4);
      if (what === 0) await stage.nft('flush ruleset');
      else if (what === 1) await stage.nft('delete set inet postern allow4r').catch(() => {});
      else if (what === 2 && pid !== undefined && pidAlive(pid)) process.kill(pid, 'SIGKILL');
    };

    for (let round = 0; round < ROUNDS; round += 1) {
      const changes = Array.from({ length: 40 }, change);
      await Promise.all([disturb(), ...changes]);
      await eventually(
        `round ${round}: the sets are as the grants say`,
        async () => (await elements()) === wanted(),
        { withinMs: 5000 },
      );
    }

    async function elements(): Promise<string> {
      const { stdout } = await stage.network.exec('server', [
        'nft',
        '-s',
        'list',
        'table',
        'inet',
        'postern',
      ]);
      const found = stdout.matchAll(/(10\.2\.0\.\d+) \. tcp \. (\d+)(?:-(\d+))?/g);
      return portsOf(
        [...found].map(([, source, from, to = from]) => [source, Number(from), Number(to)]),
      );
    }

    function wanted(): string {
      return portsOf(
        [...live.values()].flatMap(({ door, grant }) =>
          doors[door]!.allow.map(({ from, to }) => [grant.source, from, to] as const),
        ),
      );
    }
  });
});

/** Every source and port that is open, in order. */
function portsOf(ranges: readonly (readonly [string | undefined, number, number])[]): string {
  const open = new Set<string>();
  for (const [source, from, to] of ranges)
    for (let port = from; port <= to; port += 1) open.add(`${source} ${port}`);
  return [...open].sort().join(' ');
}
