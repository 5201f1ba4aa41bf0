import assert from 'node:assert/strict';
import { chown, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder, node } from '../support/daemon.js';
import { run } from '../support/run.js';

const NOBODY = 65534;
const isRoot = process.getuid?.() === 0;

/** An ordinary user; may read everything, for the clone may lie in a folder of root's. */
const USER = [
  ...['setpriv', '--reuid', `${NOBODY}`, '--regid', `${NOBODY}`, '--clear-groups'],
  ...['--inh-caps', '-all,+dac_read_search', '--ambient-caps', '+dac_read_search'],
];
/** Root in a container that leaves CAP_NET_RAW out. */
const CONTAINED = ['setpriv', '--bounding-set', '-net_raw', '--inh-caps', '-net_raw'];

describe('without the right to capture', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await makeFolder();
    if (isRoot) await chown(folder, NOBODY, NOBODY);
  });
  afterEach(() => rm(folder, { recursive: true }));

  const cases: readonly (readonly [string, readonly string[]])[] = isRoot
    ? [
        ['a user', USER],
        ['root in a container', CONTAINED],
      ]
    : [['a user', []]];

  for (const [who, as] of cases) {
    it(`${who}: postern run says in one sentence what to run, exit 1`, async () => {
      const conf = join(folder, 'knockd.conf');
      const door = '[door]\n\tsequence = 7000,9000,8000\n\ttcpflags = syn\n';
      await writeFile(conf, door, { mode: 0o600 });
      const argv = node('postern', 'run', '-c', conf, '-i', 'lo');
      argv.push('--state-dir', join(folder, 'state'));
      const { code, stdout, stderr } = await run([...as, ...argv]);
      const said = `${stdout}${stderr}`;
      assert.equal(code, 1, said);
      assert.equal(said.trim().split('\n').length, 1, said);
      assert.match(said, /sudo|CAP_NET_RAW/);
    });
  }
});
