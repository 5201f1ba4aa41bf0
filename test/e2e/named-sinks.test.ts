import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { section } from '../support/conf.js';
import { eventually } from '../support/eventually.js';
import { useLab } from '../support/lab.js';
import { linesOf } from '../support/lines.js';
import { CLIENT4, SERVER4 } from '../support/netns.js';

const KNOCKS = ['7000', '9000', '8000'];

describe('sinks of the configuration', () => {
  const lab = useLab();
  let folder: string;
  beforeEach(async () => {
    folder = await lab.folder();
    await writeModule();
  });

  const file = () => join(folder, 'log');
  const gate = () => join(folder, 'gate.mjs');
  const writeModule = () =>
    writeFile(
      gate(),
      `import { appendFileSync } from 'node:fs';
      export default ({ word }) => {
        const note = (what, { source }) => appendFileSync('${file()}', \`\${word} \${what} \${source}\\n\`);
        return { open: (grant) => note('open', grant), close: (grant) => note('close', grant) };
      };\n`,
      { mode: 0o600 },
    );
  const door = (more: Readonly<Record<string, string | number>>) =>
    section('door', { sequence: KNOCKS.join(','), tcpflags: 'syn', ...more });
  const module = (word: string) => section('module:gate', { path: gate(), word });
  const saysAll = (...lines: readonly string[]) =>
    eventually(
      lines.join(),
      async () => (await linesOf(file()).catch(() => [])).join() === lines.join(),
      { withinMs: 6000 },
    );

  it('a door that has nothing else opens and closes by its sink', async () => {
    await lab.postern(`${door({ sinks: 'Module:gate', cmd_timeout: 1 })}\n${module('first')}`);
    await lab.knock(SERVER4, KNOCKS);
    await saysAll(`first open ${CLIENT4}`, `first close ${CLIENT4}`);
  });

  it('knocking again while it is open extends it, as with commands (G2)', async () => {
    await lab.postern(`${door({ sinks: 'module:gate', cmd_timeout: 2 })}\n${module('first')}`);
    await lab.knock(SERVER4, KNOCKS);
    await saysAll(`first open ${CLIENT4}`);
    await lab.knock(SERVER4, KNOCKS);
    await saysAll(`first open ${CLIENT4}`, `first close ${CLIENT4}`);
  });

  it('what is open is closed by the sink it was opened by, whatever a reload made of it', async () => {
    const conf = `${door({ sinks: 'module:gate', cmd_timeout: 3 })}\n${module('first')}`;
    const postern = await lab.postern(conf);
    await lab.knock(SERVER4, KNOCKS);
    await saysAll(`first open ${CLIENT4}`);
    await postern.reload(door({ start_command: 'true' }), /reloaded/i);
    await saysAll(`first open ${CLIENT4}`, `first close ${CLIENT4}`);
  });

  it('also after a crash, with another configuration at the next start', async () => {
    const conf = `${door({ sinks: 'module:gate', cmd_timeout: 4 })}\n${module('first')}`;
    const postern = await lab.postern({ conf, folder });
    await lab.knock(SERVER4, KNOCKS);
    await saysAll(`first open ${CLIENT4}`);
    await postern.kill();
    await lab.postern({
      conf: `${door({ sinks: 'module:gate' })}\n${module('second')}`,
      folder,
    });
    await saysAll(`first open ${CLIENT4}`, `first close ${CLIENT4}`);
  });

  it('one that cannot be used keeps nobody out, is said, and is mended by a reload', async () => {
    await rm(gate());
    const command = `echo start >> ${file()}`;
    const more = { sinks: 'module:gate', start_command: command, cmd_timeout: 1 };
    const conf = `${door(more)}\n${module('first')}`;
    const postern = await lab.postern(conf);
    assert.match(postern.logs, /THE SINK CANNOT BE USED/);
    assert.match(postern.logs, /gate\.mjs does not exist/);
    await lab.knock(SERVER4, KNOCKS);
    await saysAll('start');
    const { stdout } = await postern.ask('reload');
    assert.match(stdout, /conf:\d+: warning: \[module:gate\].*\[POSTERN_W_SINK\]\nreloaded\n$/);
    await writeModule();
    assert.equal((await postern.ask('reload')).stdout, 'reloaded\n');
    await eventually('closed', async () => (await postern.status()).grants.length === 0);
    await lab.knock(SERVER4, KNOCKS);
    await eventually('the sink', async () =>
      (await linesOf(file())).includes(`first open ${CLIENT4}`),
    );
  });
});
