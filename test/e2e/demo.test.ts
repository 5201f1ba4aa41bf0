import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { cloneFolder } from '../support/clone.js';
import { Program } from '../support/program.js';
import { requireRoot } from '../support/root.js';
import { run } from '../support/run.js';

const demo = join(cloneFolder(), 'scripts', 'demo.sh');

describe('npm run demo', () => {
  before(function () {
    requireRoot(this);
  });

  /** Namespaces and temporary folders of a demo with that pid. */
  async function leftOf(pid: number): Promise<string[]> {
    const { stdout } = await run(['ip', 'netns', 'list']);
    const own = (name: string) => name.startsWith('postern') && name.endsWith(String(pid));
    return stdout.split(/[\s\n]/).filter(own);
  }
  const folders = () => readdirSync('/tmp').filter((name) => name.startsWith('postern-demo.'));

  it('shows closed, knock, open, closed again; exits 0 and leaves nothing', async function () {
    this.timeout(40_000);
    const before = folders();
    const shown = Program.start(['bash', demo]);
    const { code } = await shown.exited;
    assert.equal(code, 0, shown.logs);
    const order = ['cannot connect', 'postern knock', 'Welcome', 'closed again'];
    const places = order.map((text) => shown.logs.indexOf(text));
    assert.ok(
      places.every((place, i) => place > (places[i - 1] ?? 0)),
      shown.logs,
    );
    assert.ok(!shown.logs.includes('\x1b'), 'no colours without a terminal');
    assert.deepEqual([await leftOf(shown.pid), folders()], [[], before]);
  });

  it('that is interrupted leaves nothing', async function () {
    this.timeout(40_000);
    const before = folders();
    const shown = Program.start(['bash', demo]);
    await shown.waitFor(/2\. Before the knock/, { withinMs: 20_000 });
    assert.notDeepEqual(await leftOf(shown.pid), []);
    await shown.end('SIGTERM');
    assert.deepEqual([await leftOf(shown.pid), folders()], [[], before]);
  });
});
