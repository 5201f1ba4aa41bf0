import assert from 'node:assert/strict';
import type { Door } from '../../config/types.js';
import { closeDoor, forgetHost } from '../../src/close-door.js';
import type {
  ClusterGrantStatus,
  ClusterHostStatus,
  ClusterStatus,
} from '../../src/cluster/status.js';
import { PosternError } from '../../src/errors.js';
import type { GrantStatus } from '../../src/jobs/types.js';
import { doorOf } from '../config/support/parsed.js';

const SOURCE = '192.0.2.7';
const ASKED = { command: 'close', door: 'ssh', source: SOURCE } as const;

type Grant = Pick<GrantStatus, 'door' | 'source'>;

/** What one host sees: its own grants and what it heard of others'. */
class Host {
  readonly host = 'b1';
  readonly told: (readonly [string, string, string | undefined])[] = [];
  readonly revoked: (readonly [string, string])[] = [];
  readonly forgotten: string[] = [];
  own: Grant[] = [];
  /** Of the own grants: those that do not end. */
  stuck: Grant[] = [];
  others: (Grant & { readonly host: string })[] = [];
  states: Record<string, ClusterHostStatus['state']> = { b1: 'alive', b2: 'alive', b3: 'alive' };
  state: ClusterStatus['state'] = 'joined';
  /** What the others do when they are told. */
  onTold: () => void = () => {
    this.others = [];
  };
  door: Door | undefined = doorOf('[ssh]', 'sequence = 1,3,2', 'allow = 22/tcp');

  readonly doorHere = (name: string) => (name === 'ssh' ? this.door : undefined);
  readonly grants = {
    revoke: async (door: string, source: string) => {
      this.revoked.push([door, source]);
      const before = this.own.length;
      this.own = this.stuck;
      return before - this.own.length;
    },
    status: () => this.own.map((grant) => ({ ...grant, grant: 'g', ...OPEN })),
  };
  readonly cluster = {
    revoke: async (door: string, source: string, host?: string) => {
      if (this.state !== 'joined') throw new PosternError('POSTERN_E_CLUSTER', 'it is away');
      this.told.push([door, source, host]);
      this.onTold();
    },
    forget: async (host: string) => {
      this.forgotten.push(host);
    },
    status: () => this.#status(),
  };

  #status(): ClusterStatus {
    const hosts = Object.entries(this.states).map(([host, state]) => ({
      ...{ host, state, isSelf: host === 'b1', seenSecondsAgo: 0, version: '1' },
      ...{ doorsMissingHere: [], doorsMissingThere: [], doorsThatDiffer: [] },
    }));
    const own = this.own.map((grant) => ({ ...grant, host: 'b1' }));
    const grants: ClusterGrantStatus[] = [...own, ...this.others].map((grant) => ({
      ...grant,
      grant: 'g',
      ...OPEN,
    }));
    const reason = this.state === 'joined' ? {} : { reason: 'it is away' };
    return { name: 'c', state: this.state, behind: 0, rejected: 0, hosts, grants, ...reason };
  }
}

const OPEN = { state: 'open', leftSeconds: 5 } as const;
const GRANT = { door: 'ssh', source: SOURCE };

describe('postern close, in the daemon', () => {
  it('closes on a host alone, and says when nothing is open', async () => {
    const { grants, ...host } = new Host();
    const alone = { ...host, grants, cluster: undefined };
    assert.deepEqual(await closeDoor(ASKED, alone), {
      closed: 0,
      isDone: false,
      messages: [`nothing is open at door [ssh] for ${SOURCE}`],
    });
    const busy = new Host();
    busy.own = [GRANT];
    const { doorHere } = busy;
    const options = { host: 'b1', grants: busy.grants, cluster: undefined, doorHere };
    assert.deepEqual(await closeDoor(ASKED, options), {
      closed: 1,
      isDone: true,
      messages: ['b1: closed'],
    });
    const { messages } = await closeDoor({ ...ASKED, door: 'shh' }, options);
    assert.match(messages.join(), /\[shh\].*no door of that name here/);
  });

  it('knows a source by each of its texts, and refuses what is none', async () => {
    const host = new Host();
    await closeDoor({ ...ASKED, source: '2001:DB8:0::1' }, { ...host, cluster: undefined });
    assert.deepEqual(host.revoked, [['ssh', '2001:db8::1']]);
    await assert.rejects(closeDoor({ ...ASKED, source: 'me' }, host), {
      code: 'POSTERN_E_CONTROL',
    });
  });

  it('says that a grant here does not end', async () => {
    const host = new Host();
    host.own = [GRANT, GRANT];
    host.stuck = [GRANT];
    const { closed, isDone, messages } = await closeDoor(ASKED, host);
    assert.deepEqual([closed, isDone], [1, false]);
    assert.deepEqual(messages, ['b1: closed', 'b1: NOT CLOSED YET; see postern status']);
  });

  it('tells the others, and says where it was closed', async () => {
    const host = new Host();
    host.own = [GRANT];
    host.others = [
      { ...GRANT, host: 'b2' },
      { ...GRANT, host: 'b3' },
    ];
    host.onTold = () => {
      setTimeout(() => host.others.shift(), 100);
      setTimeout(() => host.others.shift(), 200);
    };
    assert.deepEqual(await closeDoor(ASKED, host), {
      closed: 1,
      cluster: 'told',
      isDone: true,
      messages: ['b1: closed', 'b2: closed', 'b3: closed'],
    });
    assert.deepEqual(host.told, [['ssh', SOURCE, undefined]]);
  });

  it('heeds what others opened a moment ago and is heard of only now', async () => {
    const host = new Host();
    host.onTold = () => {
      setTimeout(() => host.others.push({ ...GRANT, host: 'b2' }), 200);
      setTimeout(() => host.others.pop(), 500);
    };
    const { isDone, messages } = await closeDoor(ASKED, host);
    assert.deepEqual([isDone, messages], [true, ['b2: closed']]);
  });

  it('waits for no host that is away, and says so', async () => {
    const host = new Host();
    host.others = [{ ...GRANT, host: 'b3' }];
    host.states = { ...host.states, b3: 'away' };
    host.onTold = () => {};
    const beganAt = performance.now();
    const { isDone, cluster, messages } = await closeDoor(ASKED, host);
    assert.ok(performance.now() - beganAt < 1000);
    assert.deepEqual([isDone, cluster], [false, 'told']);
    assert.match(messages.join(), /^b3: told, but it is away/);
  });

  it('waits for a host that is so new that nothing is known of it', async () => {
    const host = new Host();
    host.states = { b1: 'alive' };
    host.others = [{ ...GRANT, host: 'b2' }];
    host.onTold = () => {
      setTimeout(() => host.others.pop(), 300);
    };
    const { isDone, messages } = await closeDoor(ASKED, host);
    assert.deepEqual([isDone, messages], [true, ['b2: closed']]);
  });

  it('says after some seconds that a live host has not closed', async () => {
    const host = new Host();
    host.others = [{ ...GRANT, host: 'b2' }];
    host.onTold = () => {};
    const { isDone, messages } = await closeDoor(ASKED, host);
    assert.equal(isDone, false);
    assert.match(messages.join(), /^b2: told, but NOT CLOSED YET/);
  });

  it('closes here and says so when the others cannot be told', async () => {
    const host = new Host();
    host.own = [GRANT];
    host.others = [{ ...GRANT, host: 'b2' }];
    host.state = 'away';
    const { closed, cluster, isDone, messages } = await closeDoor(ASKED, host);
    assert.deepEqual([closed, cluster, isDone], [1, 'out of reach', false]);
    assert.deepEqual(messages, ['b1: closed', 'the other hosts were not told: it is away']);
  });

  it('with a host closes there alone', async () => {
    const host = new Host();
    host.own = [GRANT];
    host.others = [
      { ...GRANT, host: 'b2' },
      { ...GRANT, host: 'b3' },
    ];
    host.onTold = () => {
      host.others = host.others.filter((grant) => grant.host !== 'b3');
    };
    const there = await closeDoor({ ...ASKED, host: 'b3' }, host);
    assert.deepEqual([there.isDone, there.closed, there.messages], [true, 0, ['b3: closed']]);
    assert.deepEqual([host.told, host.revoked], [[['ssh', SOURCE, 'b3']], []]);
    const here = await closeDoor({ ...ASKED, host: 'b1' }, host);
    assert.deepEqual(here, { closed: 1, isDone: true, messages: ['b1: closed'] });
    assert.equal(host.told.length, 1);
    await assert.rejects(closeDoor({ ...ASKED, host: 'b9' }, host), {
      code: 'POSTERN_E_CONTROL',
      message: /no host b9 in the cluster; its hosts are b1, b2, b3/,
    });
    await assert.rejects(closeDoor({ ...ASKED, host: 'b2' }, { ...host, cluster: undefined }), {
      message: /in no cluster/,
    });
  });

  it('does not take other doors and sources for what it closes', async () => {
    const host = new Host();
    host.others = [
      { door: 'mail', source: SOURCE, host: 'b2' },
      { door: 'ssh', source: '192.0.2.8', host: 'b2' },
    ];
    host.onTold = () => {};
    const { isDone, messages } = await closeDoor(ASKED, host);
    assert.equal(isDone, false);
    assert.match(messages.join(), /^nothing is open/);
  });

  it('takes whomever a door was opened for, where it opens for everyone', async () => {
    const host = new Host();
    host.door = doorOf('[ssh]', 'sequence = 1,3,2', 'command = a', 'stop_command = b');
    host.others = [{ door: 'ssh', source: '192.0.2.8', host: 'b2' }];
    assert.deepEqual((await closeDoor(ASKED, host)).messages, ['b2: closed']);
  });
});

describe('postern cluster forget, in the daemon', () => {
  it('forgets a host that is away or stopped, and no other', async () => {
    const host = new Host();
    host.states = { b1: 'alive', b2: 'alive', b3: 'away', b4: 'stopped' };
    for (const gone of ['b3', 'b4'])
      assert.deepEqual(await forgetHost(gone, host), { forgotten: gone });
    assert.deepEqual(host.forgotten, ['b3', 'b4']);
    for (const [name, message] of [
      ['b1', /b1 is this host/],
      ['b2', /b2 is alive .*stop postern there first/],
      ['b9', /no host b9 in the cluster/],
    ] as const)
      await assert.rejects(forgetHost(name, host), { code: 'POSTERN_E_CONTROL', message });
    host.state = 'away';
    await assert.rejects(forgetHost('b3', host), { code: 'POSTERN_E_CLUSTER' });
    await assert.rejects(forgetHost('b3', { ...host, cluster: undefined }), {
      message: /in no cluster/,
    });
    assert.equal(host.forgotten.length, 2);
  });

  it('forgets whoever keeps a refused host out, though it knows nobody by a wrong key', async () => {
    const host = new Host();
    host.state = 'refused';
    host.states = { b1: 'alive' };
    assert.deepEqual(await forgetHost('b9', host), { forgotten: 'b9' });
    assert.deepEqual(host.forgotten, ['b9']);
  });
});
