import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LogFile } from '../../src/log/log-file.js';
import type { Log } from '../../src/log/types.js';
import { silentLog } from '../../src/log/types.js';

function warnings() {
  const said: string[] = [];
  const log: Log = { ...silentLog, warn: (_, message) => said.push(message) };
  return { said, log };
}

describe('LogFile', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-log-'));
  });
  afterEach(() => rm(folder, { recursive: true }));
  const at = (name: string) => join(folder, name);

  it('appends lines with the local minute, on the disk when the call returns', async () => {
    const file = new LogFile(at('log'), silentLog, () => new Date(2026, 0, 2, 3, 4, 59).getTime());
    file.write('first');
    file.write('sécond');
    assert.equal(
      await readFile(at('log'), 'utf8'),
      '[2026-01-02 03:04] first\n[2026-01-02 03:04] sécond\n',
    );
    await file.close();
    const again = new LogFile(at('log'), silentLog);
    again.write('third');
    await again.close();
    assert.match(await readFile(at('log'), 'utf8'), /sécond\n\[.*\] third\n$/);
  });

  it('is not readable by others', async () => {
    await new LogFile(at('log'), silentLog).close();
    assert.equal((await stat(at('log'))).mode & 0o007, 0);
  });

  it('writes to a new file after a reopen, as log rotation needs it', async () => {
    const file = new LogFile(at('log'), silentLog);
    file.write('old');
    await rename(at('log'), at('log.1'));
    file.write('still old');
    file.reopen();
    file.write('new');
    await file.close();
    file.write('too late');
    assert.match(await readFile(at('log.1'), 'utf8'), /old\n.*still old\n$/);
    assert.match(await readFile(at('log'), 'utf8'), /^\[.{16}\] new\n$/);
  });

  it('warns once when its folder is missing, and goes on when it is there', async () => {
    const { said, log } = warnings();
    const file = new LogFile(at('none/log'), log);
    file.write('lost');
    file.write('lost');
    assert.equal(said.length, 1);
    await mkdir(at('none'));
    file.write('kept');
    await file.close();
    assert.match(await readFile(at('none/log'), 'utf8'), /^\[.{16}\] kept\n$/);
  });

  it('warns once when the disk is full', async () => {
    const { said, log } = warnings();
    const file = new LogFile('/dev/full', log);
    file.write('lost');
    file.write('lost');
    await file.close();
    assert.equal(said.length, 1);
  });

  it('is not held up by a pipe that nobody reads', async () => {
    execFileSync('mkfifo', [at('pipe')]);
    const { said, log } = warnings();
    const file = new LogFile(at('pipe'), log);
    const reader = openSync(at('pipe'), constants.O_RDONLY | constants.O_NONBLOCK);
    for (let line = 0; line < 1_000; line++) file.write('x'.repeat(200));
    await file.close();
    closeSync(reader);
    assert.ok(said.length >= 1);
  });
});
