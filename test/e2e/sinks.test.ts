import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { cloneFolder } from '../support/clone.js';
import { section } from '../support/conf.js';
import { eventually } from '../support/eventually.js';
import { SERVICE, useLab } from '../support/lab.js';
import { linesOf } from '../support/lines.js';
import { CLIENT4, SERVER4 } from '../support/netns.js';
import { PASSWORD, SECRET, SinksStage } from './sinks-stage.js';

const SEQUENCE = ['7000', '9000', '8000'];
/** Seconds that a door is open, long enough for a slow machine to see it. */
const OPEN = 2;
/** What a slow machine may take to deliver something, milliseconds. */
const SOON = { withinMs: 8000 };
const hangs = () => undefined;

describe('a door with commands, allow, webhook, mail and a module', function () {
  this.timeout(40_000);
  const lab = useLab();
  let stage: SinksStage;
  beforeEach(async () => {
    stage = await SinksStage.open(lab, await lab.folder());
  });
  afterEach(() => stage.close());

  const log = () => join(stage.folder, 'commands');
  const gate = () => join(stage.folder, 'gate');
  const conf = (more: Readonly<Record<string, string | number>> = {}, hook = {}) =>
    [
      '[options]\n\tnft_guard = yes\n',
      section('vault', {
        sequence: SEQUENCE.join(','),
        tcpflags: 'syn',
        allow: `${SERVICE}/tcp`,
        start_command: `echo start %IP% >> ${log()}`,
        stop_command: `echo stop %IP% >> ${log()}`,
        cmd_timeout: OPEN,
        sinks: 'webhook:ops, email:oncall, module:gate',
        ...more,
      }),
      stage.webhook('ops', hook),
      stage.email('oncall'),
      section('module:gate', {
        path: join(cloneFolder(), 'examples/gate/index.mjs'),
        folder: gate(),
      }),
    ].join('\n');

  const passing = async () => (await readdir(gate()).catch(() => [])).length;
  const types = () => stage.told().map(({ type }) => type);
  const subjects = () => stage.mail.taken.map(({ parsed }) => parsed.subject);
  const secretsStayIn = (text: string) => {
    for (const secret of [SECRET.slice(6), PASSWORD, 't0ken-of-the-url'])
      assert.ok(!text.includes(secret), `${secret} in:\n${text}`);
    assert.doesNotMatch(text, new RegExp(`(?<![\\w.])(${SEQUENCE.join('|')})(?!\\w)`));
  };

  it('opens by all of them and tells whom it should, and so when it closes', async () => {
    const postern = await lab.postern(conf());
    assert.equal(await lab.reaches(SERVER4), false, 'shut by the guard');
    await lab.knock(SERVER4, SEQUENCE);
    await lab.opens(SERVER4);
    await eventually('the command', async () => (await linesOf(log())).length === 1);
    await eventually('the module', async () => (await passing()) === 1);
    await eventually('webhook and mail', () => types().length + subjects().length === 2, SOON);
    await lab.shuts(SERVER4, (OPEN + 3) * 1000);
    await eventually('all are told', () => types().length + subjects().length === 4, SOON);

    assert.deepEqual(await linesOf(log()), [`start ${CLIENT4}`, `stop ${CLIENT4}`]);
    assert.equal(await passing(), 0);
    const [opened, closed] = stage.told();
    assert.deepEqual([opened?.type, closed?.type], ['door.open', 'door.close']);
    const { grant, door, source, closesAt } = opened?.data ?? {};
    assert.deepEqual([door, source], ['vault', CLIENT4]);
    assert.equal(closed?.data['grant'], grant);
    assert.notEqual(opened?.id, closed?.id);
    const [mail, last] = stage.mail.taken;
    assert.equal(mail?.isSecure, true);
    assert.equal(mail?.user, 'postern');
    assert.match(mail?.parsed.subject ?? '', /^\[postern\] door vault opened for 192\.0\.2\.2 on /);
    assert.match(mail?.parsed.text ?? '', new RegExp(String(grant)));
    assert.match(last?.parsed.subject ?? '', /door vault closed/);

    await eventually('nothing is owed', async () => (await postern.status()).deliveries.length < 1);
    const events = (await postern.events()).filter((event) => event.grant === grant);
    const outcomes = events.filter(({ type }) => type === 'Opened' || type === 'Closed');
    const all = ['email:oncall', 'exec', 'module:gate', 'nftables', 'webhook:ops'];
    for (const type of ['Opened', 'Closed']) {
      const sinks = outcomes.filter((event) => event.type === type).map(({ sink = '' }) => sink);
      assert.deepEqual(sinks.sort(), all, type);
    }
    const delivered = events.filter(({ type }) => type === 'Delivered');
    assert.deepEqual(
      delivered.map(({ sink, event, attempt }) => `${sink} ${event} ${attempt}`).sort(),
      ['email:oncall close 1', 'email:oncall open 1', 'webhook:ops close 1', 'webhook:ops open 1'],
    );
    const untilMs = events.find(({ type, sink }) => type === 'Opened' && sink === 'nftables');
    assert.ok(Math.abs(Date.parse(String(closesAt)) - Number(untilMs?.until)) < 1000);
    secretsStayIn(postern.logs + JSON.stringify(events));
  });

  it('waits for a webhook that hangs with nothing: neither rule, command, module nor mail', async () => {
    stage.hook.behaviours = [hangs];
    const postern = await lab.postern(conf({}, { timeout: 60 }));
    const fromMs = performance.now();
    await lab.knock(SERVER4, SEQUENCE);
    const tookMs: Record<string, number> = {};
    const within = async (what: string, ask: () => boolean | Promise<boolean>) => {
      await eventually(what, ask, { withinMs: 5000, everyMs: 10 });
      tookMs[what] = Math.round(performance.now() - fromMs);
    };
    await Promise.all([
      within('rule', () => lab.reaches(SERVER4)),
      within('command', async () => (await linesOf(log())).length === 1),
      within('module', async () => (await passing()) === 1),
      within('mail', () => subjects().length === 1),
      within('webhook begun', () => stage.hook.requests.length === 1),
    ]);
    await lab.shuts(SERVER4, (OPEN + 3) * 1000);
    await within('mail of the close', () => subjects().length === 2);
    const { deliveries } = await postern.status();
    assert.deepEqual(
      deliveries.map(({ sink, owed, nextSeconds }) => [sink, owed, nextSeconds]),
      [['webhook:ops', 2, 0]],
      'it still hangs, and its close waits for the open',
    );
    assert.match((await postern.ask('status')).stdout, /STILL TO BE TOLD\n {2}webhook:ops: 2, /);
    assert.equal(stage.hook.requests.length, 1);
    const { 'mail of the close': last = 0, ...first } = tookMs;
    for (const [what, ms] of Object.entries(first)) assert.ok(ms < 3000, `${what}: ${ms} ms`);
    assert.ok(last < 3000 + OPEN * 1000, `mail of the close: ${last} ms`);
    if (process.env['SINKS_FIGURES'] !== undefined) console.log(tookMs);
    const stopMs = await postern.stop('SIGTERM', { keep: true });
    assert.ok(stopMs < 2000, `ends in ${stopMs} ms all the same`);
  });

  it('tells of what failed, and opens by the others', async () => {
    const postern = await lab.postern(conf({ start_command: 'exit 3' }));
    await lab.knock(SERVER4, SEQUENCE);
    await lab.opens(SERVER4);
    await eventually('they are told', () => types().includes('door.failed'), SOON);
    await eventually('by mail', () => subjects().some((text) => /FAILED/.test(text ?? '')), SOON);
    const failed = stage.told().find(({ type }) => type === 'door.failed');
    assert.match(String(failed?.data['reason']), /^exec did not open: .*3/);
    assert.equal(await passing(), 1);
    secretsStayIn(postern.logs);
  });

  it('opens by the rest where sinks cannot be used, which are told when they are mended', async () => {
    await lab.write(stage.secretFile, 'none\n');
    await lab.write(stage.passwordFile, 'wrong\n');
    const text = conf();
    const postern = await lab.postern(text);
    assert.match(postern.logs, /THE SINK CANNOT BE USED/);
    assert.match((await postern.ask('status')).stdout, /^sink +\[webhook:ops\].*ops\.secret/m);
    await lab.knock(SERVER4, SEQUENCE);
    await lab.opens(SERVER4);
    await eventually('the command', async () => (await linesOf(log())).length === 1);
    const reasons = async () => {
      const { deliveries } = await postern.status();
      return deliveries.map(({ sink, reason = '' }) => `${sink} ${reason}`).sort();
    };
    await eventually('both failed', async () => {
      const [mail = '', hook = ''] = await reasons();
      return /refused user and password/.test(mail) && /ops\.secret/.test(hook);
    });
    secretsStayIn((await postern.ask('status')).stdout);
    await lab.write(stage.secretFile, `${SECRET}\n`);
    await lab.write(stage.passwordFile, `${PASSWORD}\n`);
    await postern.reload(text, /configuration reloaded/);
    const all = () => types().length + subjects().length === 4;
    await eventually('all are told after all', all, { withinMs: 12_000 });
    assert.deepEqual([...types()].sort(), ['door.close', 'door.open']);
    await eventually('nothing is owed', async () => (await reasons()).length === 0);
    secretsStayIn(postern.logs);
  });
});
