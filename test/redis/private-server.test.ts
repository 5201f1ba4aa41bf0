import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmod,
  mkdir,
  readdir,
  readFile,
  readlink,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { connect as connectSocket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Log, silentLog } from '../../src/log/types.js';
import { connect, hangUp } from '../../src/redis/connect.js';
import { type PrivateRedis, startPrivateRedis } from '../../src/redis/private-server.js';
import { eventually } from '../support/eventually.js';
import { endProcess, pidAlive, pidGone } from '../support/processes.js';
import { recordingLog } from '../support/recording-log.js';
import { Scratch, strangeRedis } from './support.js';

describe('the private redis-server', () => {
  const scratch = new Scratch();
  afterEach(() => scratch.clear());

  async function start(log: Log = silentLog): Promise<PrivateRedis> {
    const redis = await startPrivateRedis({ dir: join(await scratch.dir(), 'redis'), log });
    scratch.owns(() => redis.stop());
    return redis;
  }

  /** One command on a connection of its own. */
  async function ask(socket: string, command: string, ...args: string[]): Promise<unknown> {
    const redis = connect({ target: { socket }, role: 'normal', log: silentLog });
    try {
      return await redis.call(command, ...args);
    } finally {
      hangUp(redis);
    }
  }

  it('answers in less than 300 ms', async () => {
    const times: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      const before = performance.now();
      const redis = await start();
      times.push(performance.now() - before);
      await redis.stop();
    }
    assert.ok(Math.min(...times) < 300, `it took ${times.join(', ')} ms`);
  });

  it('runs as the design says: durable, never evicting, on a socket of its owner alone', async () => {
    const redis = await start();
    const expected = {
      port: '0',
      unixsocketperm: '700',
      appendonly: 'yes',
      appendfsync: 'always',
      save: '',
      'maxmemory-policy': 'noeviction',
      hz: '100',
      'aof-load-truncated': 'yes',
    };
    for (const [name, value] of Object.entries(expected)) {
      assert.deepEqual(await ask(redis.socket, 'CONFIG', 'GET', name), [name, value]);
    }
    assert.equal((await stat(join(redis.socket, '..'))).mode & 0o777, 0o700);
    assert.equal((await stat(redis.socket)).mode & 0o777, 0o700);
  });

  it('shows nothing in its argv but paths, and leaves no configuration behind', async () => {
    const redis = await start();
    const argv = await readFile(`/proc/${redis.pid}/cmdline`, 'latin1');
    assert.match(argv, /^\/\S*redis-server unixsocket:\/\S*[ \0]*$/);
    const files = await readdir(join(redis.socket, '..'));
    assert.deepEqual(files.sort(), ['appendonlydir', 'redis.lock', 'redis.sock']);
  });

  it('listens on no network', async () => {
    const redis = await start();
    const listening = await Promise.all(
      ['tcp', 'tcp6', 'udp', 'udp6'].map((table) => readFile(`/proc/net/${table}`, 'latin1')),
    );
    const inodes = new Set(
      listening.flatMap((table) => table.split('\n').map((line) => line.trim().split(/\s+/)[9])),
    );
    for (const fd of await readdir(`/proc/${redis.pid}/fd`)) {
      const target = await readlink(`/proc/${redis.pid}/fd/${fd}`).catch(() => '');
      const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
      assert.ok(inode === undefined || !inodes.has(inode), `fd ${fd} is a network socket`);
    }
  });

  it('closes a folder that was open to others', async () => {
    const dir = join(await scratch.dir(), 'redis');
    await mkdir(dir, { mode: 0o755 });
    await chmod(dir, 0o755);
    await start();
    assert.equal((await stat(dir)).mode & 0o777, 0o700);
  });

  it('works in a folder whose name has blanks, quotes and more', async () => {
    const dir = join(await scratch.dir(), `a "b' #\\ü`);
    const redis = await startPrivateRedis({ dir, log: silentLog });
    scratch.owns(() => redis.stop());
    assert.equal(await ask(redis.socket, 'PING'), 'PONG');
  });

  it('refuses a symbolic link, a file in the way, and a path too long for a socket', async () => {
    const base = await scratch.dir();
    await mkdir(join(base, 'real'));
    await symlink(join(base, 'real'), join(base, 'link'));
    await writeFile(join(base, 'file'), '');
    const cases = {
      [join(base, 'link')]: /is a symbolic link/,
      [join(base, 'file')]: /is not a folder/,
      [join(base, 'file', 'below')]: /cannot be made/,
      [join(base, 'x'.repeat(107))]: /bytes long and a unix socket's path may have 107/,
    };
    for (const [dir, message] of Object.entries(cases)) {
      const starting = startPrivateRedis({ dir, log: silentLog });
      await assert.rejects(starting, { code: 'POSTERN_E_STATE_DIR', message });
    }
  });

  it('names the package when redis-server is not installed', async () => {
    const base = await scratch.dir();
    await mkdir(join(base, 'bin'));
    for (const tool of ['setpriv', 'flock']) {
      await symlink(`/usr/bin/${tool}`, join(base, 'bin', tool));
    }
    const options = { dir: join(base, 'redis'), log: silentLog, searchPath: join(base, 'bin') };
    await assert.rejects(startPrivateRedis(options), {
      code: 'POSTERN_E_REDIS',
      message: /redis-server is not installed: install the package redis-server/,
    });
  });

  it('ends a survivor of an earlier run on its folder first, and nobody else', async () => {
    const base = await scratch.dir();
    const [dir, other] = [join(base, 'redis'), join(base, 'other')];
    await mkdir(dir, { mode: 0o700 });
    await mkdir(other, { mode: 0o700 });
    const survivor = await strangeRedis(scratch, dir);
    const stranger = await strangeRedis(scratch, other);
    const shell = spawn('sleep', ['60'], { cwd: dir });
    scratch.owns(() => endProcess(shell));
    const ended = once(survivor, 'exit');
    const log = recordingLog();
    const redis = await start(log);
    await ended;
    assert.notEqual(redis.pid, survivor.pid);
    assert.equal(await ask(redis.socket, 'PING'), 'PONG');
    assert.equal(await ask(join(other, 'redis.sock'), 'PING'), 'PONG');
    assert.ok(pidAlive(stranger.pid!));
    assert.ok(pidAlive(shell.pid!));
    assert.ok(log.entries.some(({ message }) => /earlier run/.test(message)));
  });

  it('refuses a folder whose lock somebody holds that it cannot end', async () => {
    const dir = join(await scratch.dir(), 'redis');
    await mkdir(dir, { mode: 0o700 });
    const holder = spawn('flock', [
      '--no-fork',
      join(dir, 'redis.lock'),
      'sh',
      '-c',
      'echo; exec sleep 60',
    ]);
    scratch.owns(() => endProcess(holder));
    await once(holder.stdout, 'data');
    await assert.rejects(start(), { code: 'POSTERN_E_STATE_DIR', message: /in use by another/ });
  });

  it('is started again when it is killed', async () => {
    const log = recordingLog();
    const redis = await start(log);
    const first = redis.pid;
    process.kill(first!, 'SIGKILL');
    await eventually('restart', () => redis.pid !== undefined && redis.pid !== first);
    assert.equal(await ask(redis.socket, 'PING'), 'PONG');
    assert.ok(
      log.entries.some(
        ({ level, fields }) => level === 'warn' && /SIGKILL/.test(JSON.stringify(fields)),
      ),
    );
  });

  it('is started again when it is killed in the middle of starting again', async () => {
    const redis = await start();
    const seen = new Set<number>();
    for (let kills = 0; kills < 3; kills += 1) {
      await eventually('a new server', () => redis.pid !== undefined && !seen.has(redis.pid));
      seen.add(redis.pid!);
      process.kill(redis.pid!, 'SIGKILL');
    }
    await eventually('the last one', () => redis.pid !== undefined && !seen.has(redis.pid));
    assert.equal(await ask(redis.socket, 'PING'), 'PONG');
  });

  it('warns of nothing in a healthy life', async () => {
    const log = recordingLog();
    const redis = await start(log);
    await redis.stop();
    assert.deepEqual(
      log.entries.filter(({ level }) => level !== 'debug'),
      [],
    );
  });

  it('stops, also while frozen, within two seconds, and stays stopped', async () => {
    const redis = await start();
    const pid = redis.pid!;
    process.kill(pid, 'SIGSTOP');
    const before = performance.now();
    await Promise.all([redis.stop(), redis.stop()]);
    assert.ok(performance.now() - before < 2000);
    assert.equal(pidAlive(pid), false);
    assert.equal(redis.pid, undefined);
  });

  it('stops at any moment of starting again, and leaves no server', async () => {
    const dir = join(await scratch.dir(), 'redis');
    for (const waitMs of [0, 45, 55, 65, 75, 85, 95, 105]) {
      const redis = await start();
      process.kill(redis.pid!, 'SIGKILL');
      await delay(waitMs); // the moments are the point here
      await redis.stop();
      assert.equal(redis.pid, undefined);
      const client = connectSocket({ path: join(dir, 'redis.sock') });
      scratch.owns(() => client.destroy());
      await assert.rejects(once(client, 'connect'), `a server answers, stopped after ${waitMs} ms`);
    }
  });

  it('ends with its parent, however that ends', async () => {
    const dir = join(await scratch.dir(), 'redis');
    const module = new URL('../../src/redis/private-server.js', import.meta.url).href;
    const program = `
      const { startPrivateRedis } = await import(${JSON.stringify(module)});
      const log = { debug() {}, info() {}, warn() {}, error() {} };
      const redis = await startPrivateRedis({ dir: ${JSON.stringify(dir)}, log });
      console.log(redis.pid);
    `;
    const parent = spawn(process.execPath, ['--input-type=module', '-e', program]);
    scratch.owns(() => endProcess(parent));
    const [output] = await once(parent.stdout, 'data');
    const pid = Number(String(output));
    assert.ok(pidAlive(pid));
    scratch.owns(() => pidAlive(pid) && process.kill(pid, 'SIGKILL'));
    parent.kill('SIGKILL');
    assert.ok(await pidGone(pid));
  });

  it('loads what a crash tore off at the end, and keeps all before it', async () => {
    const first = await start();
    await ask(first.socket, 'SET', 'a', '1');
    await ask(first.socket, 'SET', 'b', '2');
    await first.stop();
    const file = await appendFile(first);
    await truncate(file, (await stat(file)).size - 5);
    const second = await start();
    assert.equal(await ask(second.socket, 'GET', 'a'), '1');
    assert.equal(await ask(second.socket, 'GET', 'b'), null);
  });

  it('says why when its file is damaged', async () => {
    const first = await start();
    await ask(first.socket, 'SET', 'a', '1');
    await first.stop();
    await writeFile(await appendFile(first), 'no append only file\n');
    await assert.rejects(start(), { code: 'POSTERN_E_REDIS', message: /Bad file format/ });
  });

  async function appendFile(redis: PrivateRedis): Promise<string> {
    const dir = join(redis.socket, '..', 'appendonlydir');
    const name = (await readdir(dir)).find((file) => file.endsWith('.incr.aof'));
    return join(dir, name!);
  }
});
