import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from '../support/eventually.js';
import { descendants, processesIn } from '../support/process-tree.js';
import { pidGone } from '../support/processes.js';
import { Program } from '../support/program.js';
import { requireRoot } from '../support/root.js';
import { mustRun } from '../support/run.js';

const MAIN = fileURLToPath(new URL('../../bench/main.js', import.meta.url));

describe('a bench that is interrupted', function () {
  this.timeout(60_000);
  let folder: string;

  before(function () {
    requireRoot(this);
  });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-test-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** A scenario that has made its network and its folder and started postern. */
  async function begun(): Promise<{ readonly bench: Program; readonly family: readonly number[] }> {
    const env = { ...process.env, TMPDIR: folder };
    const argv = [MAIN, '--quick', 'doors'];
    const child = spawn(process.execPath, argv, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const bench = new Program(child);
    await bench.waitFor(/start 2/, { withinMs: 30_000 });
    await eventually('a postern runs', async () => descendants(bench.pid).length > 3);
    return { bench, family: descendants(bench.pid) };
  }

  async function nothingIsLeft(family: readonly number[]): Promise<void> {
    for (const pid of family) assert.ok(await pidGone(pid), `${pid} still runs`);
    assert.deepEqual(processesIn(folder), []);
    const namespaces = await mustRun(['ip', 'netns', 'list']);
    for (const pid of family) assert.ok(!namespaces.includes(`pt${pid}n`), namespaces);
    assert.deepEqual(await readdir(folder), []);
  }

  it('leaves no process, namespace or folder', async () => {
    const { bench, family } = await begun();
    const exit = await bench.end('SIGINT');
    assert.deepEqual(exit, { code: 130, signal: null }, bench.logs);
    assert.match(bench.logs, /Interrupted/);
    await nothingIsLeft(family);
  });

  it('leaves none when it is killed either', async () => {
    const { bench, family } = await begun();
    await bench.end('SIGKILL');
    await nothingIsLeft(family);
  });
});
