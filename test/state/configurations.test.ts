import assert from 'node:assert/strict';
import { createSecretKey, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfiguration } from '../../config/parse.js';
import type { Configuration } from '../../config/types.js';
import { Configurations, type KeptConfiguration } from '../../src/configurations.js';
import { digest } from '../../src/journal/key.js';
import { recordingLog } from '../support/recording-log.js';

function configurationOf(text: string): Configuration {
  const { configuration } = parseConfiguration(text, 'knockd.conf');
  assert.ok(configuration);
  return configuration;
}

describe('kept configurations (G7)', () => {
  const key = createSecretKey(randomBytes(32));
  const log = recordingLog();
  const old = configurationOf('[ssh]\nsequence = 7000,9000,8000\nstop_command = old\n');
  const now = configurationOf('[ssh]\nsequence = 7000,9000,8000\nstop_command = new\n');
  let folder: string;
  const open = () => new Configurations(folder, key, log);

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-kept-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('gives a door back as it was when its grant was opened, also after a restart', async () => {
    const first = await open().keep(old);
    const second = await open().keep(now);
    assert.notEqual(first, second);
    assert.equal((await open().find('ssh', first))?.stopCommand, 'old');
    assert.equal((await open().find('ssh', second))?.stopCommand, 'new');
    assert.equal(await open().find('gone', first), undefined);
  });

  it('tells of the sinks of one that is read, once, before it gives a door of it', async () => {
    const told = configurationOf(
      '[ssh]\nsequence = 7000,9000,8000\nsinks = module:gate\n[module:gate]\npath = /gate.mjs\n',
    );
    const name = await open().keep(told);
    const seen: KeptConfiguration[] = [];
    const next = new Configurations(folder, key, log, async (kept) => void seen.push(kept));
    const [one, other] = await Promise.all([next.find('ssh', name), next.find('ssh', name)]);
    assert.deepEqual(seen, [{ doors: told.doors, sinks: told.sinks }]);
    assert.ok(one !== undefined && one === seen[0]?.doors[0] && one === other);
    assert.deepEqual(one.sinks, ['module:gate']);
    assert.equal(await next.keep(told), name);
    assert.equal(await next.find('ssh', name), one, 'a door that is known stays the same one');
  });

  it('reads one that was kept before there were sinks', async () => {
    const doors = old.doors.map(({ sinks: _, ...door }) => door);
    const text = JSON.stringify(doors);
    const name = digest(key, 'configuration', text).slice(0, 32);
    await writeFile(join(folder, `${name}.json`), text);
    assert.deepEqual(await open().find('ssh', name), old.doors[0]);
  });

  it('keeps them for their owner alone, under a name that tells nothing of a sequence', async () => {
    const name = await open().keep(old);
    assert.equal((await stat(join(folder, `${name}.json`))).mode & 0o777, 0o600);
    const other = new Configurations(folder, createSecretKey(randomBytes(32)), log);
    assert.notEqual(await other.keep(old), name, 'a keyed digest');
  });

  it('does not trust one that was changed, or a name that is none', async () => {
    const name = await open().keep(old);
    const file = join(folder, `${name}.json`);
    await writeFile(file, (await readFile(file, 'utf8')).replace('old', 'evil'));
    assert.equal(await open().find('ssh', name), undefined);
    assert.equal(await open().find('ssh', '../../etc/passwd'), undefined);
  });

  it('forgets what nobody refers to, and what a killed process left half written', async () => {
    const first = await open().keep(old);
    const second = await open().keep(now);
    await writeFile(join(folder, `${first}.json.4000000.new`), 'half');
    await open().prune(new Set([second]));
    assert.deepEqual(await readdir(folder), [`${second}.json`]);
  });
});
