import assert from 'node:assert/strict';
import { chmod, chown, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { section } from '../support/conf.js';
import { eventually } from '../support/eventually.js';
import { useLab } from '../support/lab.js';
import { linesOf } from '../support/lines.js';
import { CLIENT4, CLIENT6, SERVER4, SERVER6 } from '../support/netns.js';

const FIRST = ['7100', '9100', '8100'];
const SECOND = ['7200', '9200', '8200'];
const THIRD = ['7300:udp', '9300', '8300'];
const USED_UP = /once.*all one-time sequences are used/;
const fresh = [FIRST, SECOND].map((sequence) => sequence.join(',')).join('\n');

describe('a file of one-time sequences', () => {
  const lab = useLab();
  let file: string;
  let opened: string;
  let conf: string;

  beforeEach(async () => {
    const folder = await lab.folder();
    file = join(folder, 'sequences');
    opened = join(folder, 'opened');
    await writeFile(file, `${fresh}\n`, { mode: 0o640 });
    await chown(file, 0, 4);
    const start_command = `echo %IP% >> ${opened}`;
    conf = section('once', { one_time_sequences: file, tcpflags: 'syn', start_command });
  });

  /** The next sequence is armed a moment after the one before was used: knocks until it opens. */
  const opens = (address: string, sequence: readonly string[], count: number) =>
    eventually(
      `${sequence} opens`,
      async () => {
        if ((await linesOf(opened)).length === count) return true;
        await lab.knock(address, sequence);
        return false;
      },
      { everyMs: 200, withinMs: 5000 },
    );

  it('each opens once, in order, and is marked as used in the file, whose mode and owner stay', async () => {
    await lab.postern(conf);
    await lab.knock(SERVER4, SECOND);
    await opens(SERVER4, FIRST, 1);
    await eventually('marked', async () => (await linesOf(file))[0]?.startsWith('#') ?? false);
    // knockd puts the # over the first character; before it reads as well.
    assert.equal((await linesOf(file))[1], SECOND.join(','));
    const { mode, gid } = await stat(file);
    assert.deepEqual([mode & 0o777, gid], [0o640, 4]);
    await lab.knock(SERVER4, FIRST);
    await opens(SERVER6, SECOND, 2);
    assert.deepEqual(await linesOf(opened), [CLIENT4, CLIENT6]);
  });

  it('the last one used leaves the door shut and says so, also after a restart', async () => {
    const folder = await lab.folder();
    const first = await lab.postern({ conf, folder });
    await opens(SERVER4, FIRST, 1);
    await opens(SERVER4, SECOND, 2);
    await first.program.waitFor(USED_UP);
    await lab.knock(SERVER4, SECOND);
    await first.stop('SIGTERM', { keep: true });
    const second = await lab.postern({ conf, folder });
    assert.match(second.logs, USED_UP);
    await lab.knock(SERVER4, SECOND);
    await second.stop();
    assert.equal((await linesOf(opened)).length, 2);
  });

  it('a restored file cannot bring a used one back; a new line works', async () => {
    const folder = await lab.folder();
    const first = await lab.postern({ conf, folder });
    await opens(SERVER4, FIRST, 1);
    await first.kill();
    await writeFile(file, `${fresh}\n${THIRD.join(',')}\n`);
    await chmod(file, 0o640);
    await lab.postern({ conf, folder });
    await lab.knock(SERVER4, FIRST);
    await opens(SERVER6, SECOND, 2);
    await opens(SERVER6, THIRD, 3);
    assert.deepEqual(await linesOf(opened), [CLIENT4, CLIENT6, CLIENT6]);
  });
});
