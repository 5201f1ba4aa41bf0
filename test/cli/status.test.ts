import assert from 'node:assert/strict';
import { statusText } from '../../src/cli/status.js';
import { duration, table, wrapped } from '../../src/cli/words.js';
import type { ClusterHostStatus, ClusterStatus } from '../../src/cluster/status.js';
import type { Status } from '../../src/control/protocol.js';

const STATUS: Status = {
  version: '1.2.3',
  host: 'b1',
  pid: 42,
  uptimeSeconds: 61,
  configuration: '/etc/knockd.conf',
  doors: [{ door: 'ssh', knocks: 3, sequencesLeft: 7 }],
  grants: [],
  sensors: [],
  knocks: { dormant: 0, machines: 0, dormantEvicted: 0, machinesEvicted: 0, ignored: 0 },
  firewall: [],
  sinks: [],
  deliveries: [],
  redis: 'ready',
  rejectedEvents: 0,
};

const host = (name: string, more: Partial<ClusterHostStatus> = {}): ClusterHostStatus => ({
  ...{ host: name, state: 'alive', isSelf: name === 'b1', seenSecondsAgo: 1.4, version: '1.2.3' },
  ...{ doorsMissingHere: [], doorsMissingThere: [], doorsThatDiffer: [], ...more },
});

const CLUSTER: ClusterStatus = {
  ...{ name: 'edge', state: 'joined', behind: 0, rejected: 0, grants: [] },
  hosts: [host('b1'), host('b2')],
};

/** The lines about the cluster. */
function shown(cluster: Partial<ClusterStatus>, status: Partial<Status> = {}): readonly string[] {
  const text = statusText({ ...STATUS, ...status, cluster: { ...CLUSTER, ...cluster } });
  const lines = text.split('\n');
  return lines.slice(
    lines.findIndex((line) => line.startsWith('CLUSTER')),
    lines.findIndex((line) => line.startsWith('sources remembered')) - 1,
  );
}

describe('postern status', () => {
  it('says nothing of a cluster on a host alone', () => {
    assert.doesNotMatch(statusText(STATUS), /cluster|other hosts/i);
  });

  it('shows how many sources are ignored, if any', () => {
    const text = statusText({ ...STATUS, knocks: { ...STATUS.knocks, ignored: 3 } });
    assert.match(text, /^ignored {13}3 for too many attempts$/m);
    assert.doesNotMatch(statusText(STATUS), /ignored/);
  });

  it('shows what sinks have still to tell, and which cannot', () => {
    const text = statusText({
      ...STATUS,
      sinks: ['[email:oncall] has no password'],
      deliveries: [
        { sink: 'webhook:ops', owed: 3, nextSeconds: 290, reason: 'answered 500' },
        { sink: 'webhook:told', owed: 0, nextSeconds: 0 },
      ],
    });
    assert.match(text, /^sink {11}\[email:oncall\] has no password$/m);
    assert.match(text, /^ {2}webhook:ops: 3, next try in 4 min 50 s \(answered 500\)$/m);
    assert.doesNotMatch(text, /webhook:told/);
    assert.doesNotMatch(statusText(STATUS), /told/i);
  });

  it('shows the hosts of a cluster with their last sign of life', () => {
    const hosts = [
      host('b1'),
      host('b2'),
      host('bastion3', { state: 'away', seenSecondsAgo: 130, version: '1.2' }),
      host('b4', { state: 'stopped', seenSecondsAgo: 8000 }),
    ];
    assert.deepEqual(shown({ hosts }), [
      'CLUSTER  edge: joined',
      '  b1        alive    this host       1.2.3',
      '  b2        alive    1 s ago         1.2.3',
      '  bastion3  AWAY     2 min 10 s ago  1.2',
      '  b4        stopped  2 h 13 min ago  1.2.3',
      '',
      'OPEN ON OTHER HOSTS  none',
    ]);
  });

  it('says below a host what is to be put right', () => {
    const hosts = [
      host('b1'),
      host('b2', {
        clockAheadMs: 7230,
        doorsMissingHere: ['mail'],
        doorsMissingThere: ['vpn', 'a b'],
        doorsThatDiffer: ['ssh'],
      }),
      host('b3', { clockAheadMs: -2100 }),
    ];
    assert.deepEqual(shown({ hosts }).slice(2, -2), [
      '  b2  alive  1 s ago    1.2.3',
      '    CLOCK  7.2 s ahead of ours',
      '    DOORS IT LACKS  [vpn] [a b]',
      '    DOORS WE LACK  [mail]',
      '    DOORS THAT DIFFER  [ssh]',
      '  b3  alive  1 s ago    1.2.3',
      '    CLOCK  2.1 s behind ours',
    ]);
  });

  it('shows what is open on other hosts, by door; what is open here stands above', () => {
    const grant = { grant: 'g', door: 'ssh', source: '192.0.2.7', state: 'open' } as const;
    const grants = [
      { ...grant, host: 'b2', leftSeconds: 12.3 },
      { ...grant, host: 'b1', leftSeconds: 12.3 },
      { ...grant, host: 'b3', leftSeconds: -4 },
      { ...grant, host: 'b4', door: 'mail', state: 'failed', leftSeconds: null } as const,
    ];
    const hosts = [host('b1'), host('b2'), host('b3', { state: 'away' })];
    assert.deepEqual(shown({ hosts, grants }).slice(-4), [
      'OPEN ON OTHER HOSTS',
      '  mail for 192.0.2.7 on b4: failed; no sign of life of that host',
      '  ssh for 192.0.2.7 on b2: open, 12 s left',
      '  ssh for 192.0.2.7 on b3: open, SHOULD BE CLOSED BY NOW; that host is AWAY',
    ]);
    assert.equal(shown({ grants, state: 'away' }).at(-4), 'OPEN ON OTHER HOSTS (as last heard)');
  });

  it('says of a grant here that another host was knocked', () => {
    const grant = { grant: 'g', door: 'ssh', source: '192.0.2.7', state: 'open' } as const;
    const text = statusText({ ...STATUS, grants: [{ ...grant, leftSeconds: 5, from: 'b2' }] });
    assert.match(text, /^ {2}ssh for 192\.0\.2\.7: open, 5 s left, knocked at b2$/m);
  });

  it('says what does not work while the host is not in its cluster, and why', () => {
    const said = (state: ClusterStatus['state'], reason?: string) => {
      const lines = shown({ state, ...(reason !== undefined && { reason }) });
      const end = lines.findIndex((line) => line.startsWith('  b1'));
      return lines
        .slice(0, end)
        .map((line) => line.trim())
        .join(' ');
    };
    const rest = 'one-time, everywhere and once doors stay shut, all others work';
    assert.equal(said('joining'), `CLUSTER  edge: joining; until then ${rest}`);
    assert.equal(said('away', 'no Redis'), `CLUSTER  edge: AWAY: no Redis; ${rest}`);
    assert.equal(
      said('refused', 'its key differs'),
      `CLUSTER  edge: THIS HOST TAKES NO PART: its key differs; ${rest}`,
    );
  });

  it('says what is owed and what was dropped, only if there is something', () => {
    assert.deepEqual(shown({ behind: 12, rejected: 3 }).slice(3, -2), [
      '  events owed  12: the cluster journal lacks them so far',
      '  MESSAGES DROPPED  3: they did not verify, came twice, or too late',
    ]);
  });

  it('fits into 80 columns where names are not longer than names are', () => {
    const doors = Array.from({ length: 40 }, (_, index) => `a door ${index}`);
    const grant = {
      grant: 'g',
      door: 'ssh',
      source: '2001:db8::1234:5678',
      state: 'open',
    } as const;
    const lines = shown({
      state: 'refused',
      reason: 'no sign of life of another host verifies under any key in this file: they differ',
      hosts: [host('bastion1'), host('bastion2', { doorsThatDiffer: doors, clockAheadMs: 9e6 })],
      grants: [{ ...grant, host: 'bastion2', leftSeconds: -1 }],
    });
    for (const line of lines) assert.ok(line.length <= 80, line);
    for (const door of doors) assert.ok(lines.join(' ').replace(/ +/g, ' ').includes(`[${door}]`));
  });

  it('cannot be made to print what is no line of its own', () => {
    const evil = 'x\n\u001b[2J\u202e';
    const text = statusText({
      ...STATUS,
      cluster: {
        ...CLUSTER,
        name: evil,
        state: 'refused',
        reason: evil,
        hosts: [host(evil, { doorsThatDiffer: [evil], version: evil })],
        grants: [
          { grant: 'g', host: evil, door: evil, source: evil, state: 'open', leftSeconds: 1 },
        ],
      },
    });
    assert.doesNotMatch(text, /[^\n\P{Cc}]|\u202e/u);
    assert.ok(text.split('\n').every((line) => !line.startsWith('x')));
  });
});

describe('words on a terminal', () => {
  it('say durations', () => {
    assert.deepEqual([-3, 0.4, 119, 120, 7199, 7200].map(duration), [
      '0 s',
      '0 s',
      '119 s',
      '2 min 0 s',
      '119 min 59 s',
      '2 h 0 min',
    ]);
  });

  it('are broken at blanks, never within', () => {
    assert.deepEqual(wrapped('A  ', ''), ['A  ']);
    const text = 'word '.repeat(40).trim();
    const lines = wrapped('TITLE  ', text);
    assert.ok(lines.length > 2 && lines.every((line) => line.length <= 80));
    assert.equal(lines.map((line) => line.slice(7)).join(' '), text);
    assert.deepEqual(wrapped('T ', 'x'.repeat(90)), [`T ${'x'.repeat(90)}`]);
  });

  it('stand below each other', () => {
    assert.deepEqual(
      table([
        ['a', 'bb', 'c'],
        ['aaa', 'b', ''],
      ]),
      ['a    bb  c', 'aaa  b'],
    );
    assert.deepEqual(table([]), []);
  });
});
