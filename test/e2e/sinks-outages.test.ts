import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { answers, type Behaviour } from '../sinks/webhook/receiver.js';
import { section } from '../support/conf.js';
import type { Postern } from '../support/daemon.js';
import { eventually } from '../support/eventually.js';
import { useLab } from '../support/lab.js';
import { SERVER4 } from '../support/netns.js';
import { commandLine, descendants } from '../support/process-tree.js';
import { SinksStage } from './sinks-stage.js';

const SEQUENCE = ['7000', '9000', '8000'];
const KNOCKS = { sequence: SEQUENCE.join(','), tcpflags: 'syn', cmd_timeout: 1 };
const fails = answers('500 Internal Server Error');
const takes = answers('204 No Content');
const hangs: Behaviour = () => undefined;
/** The second attempt is made 4 to 6 s after the first. */
const SECOND = { withinMs: 15_000 };

const redisOf = ({ pid }: Postern) =>
  descendants(pid).find((each) => /redis-server/.test(commandLine(each)));

describe('what sinks have still to tell', function () {
  this.timeout(60_000);
  const lab = useLab();
  let stage: SinksStage;
  let folder: string;
  beforeEach(async () => {
    folder = await lab.folder();
    stage = await SinksStage.open(lab, await lab.folder());
  });
  afterEach(() => stage.close());

  const conf = () =>
    [
      section('vault', { ...KNOCKS, sinks: 'webhook:ops, email:oncall' }),
      stage.webhook('ops', { timeout: 60 }),
      stage.email('oncall', { collect: 2 }),
    ].join('\n');
  const start = () => lab.postern({ conf: conf(), folder });
  const ids = (type: string) =>
    stage.told().flatMap((told) => (told.type === type ? [told.id] : []));
  const owed = async (postern: Postern) =>
    (await postern.status()).deliveries.map(({ sink, owed: count }) => `${sink} ${count}`).sort();
  const nothingOwed = (postern: Postern) =>
    eventually('nothing is owed', async () => (await owed(postern)).length === 0, SECOND);
  const delivered = async (postern: Postern) => {
    const events = (await postern.events()).filter(({ type }) => type === 'Delivered');
    // What was written as Redis went may be written again.
    return [...new Set(events.map((each) => `${each.sink} ${each.event} ${each.attempt}`))].sort();
  };

  it('is shown with when and why, and told when the time has come', async () => {
    stage.hook.behaviours = [fails, fails, takes];
    const postern = await start();
    await lab.knock(SERVER4, SEQUENCE);
    await eventually('the first has failed twice', () => stage.hook.requests.length === 2, SECOND);
    const said =
      /^ {2}webhook:ops: 2, next try in [1-6] s \(https:\/\/127\.0\.0\.1:\d+ answered 500 .*\)$/m;
    await eventually('it is said', async () => said.test((await postern.ask('status')).stdout));
    await nothingOwed(postern);
    for (const type of ['door.open', 'door.close']) {
      const [first, second, ...more] = ids(type);
      assert.deepEqual([second, more], [first, []], `${type}: one id at both attempts`);
    }
    const mails = stage.mail.taken.map(({ parsed }) => parsed.subject);
    assert.deepEqual(mails, ['[postern] door vault: 1 opened, 1 closed']);
    assert.deepEqual(await delivered(postern), [
      ...['email:oncall close 1', 'email:oncall open 1'],
      ...['webhook:ops close 2', 'webhook:ops open 2'],
    ]);
  });

  it('is told when Redis is killed meanwhile, again and again', async () => {
    stage.hook.behaviours = [fails, fails, takes];
    const postern = await start();
    await lab.knock(SERVER4, SEQUENCE);
    await eventually('the first has failed twice', () => stage.hook.requests.length === 2, SECOND);
    const redis = () => redisOf(postern);
    for (let kills = 1; kills <= 3; kills += 1) {
      const before = redis();
      assert.ok(before);
      process.kill(before, 'SIGKILL');
      const isBack = () => ![undefined, before].includes(redis());
      await eventually(`it is back from its end ${kills}`, isBack, SECOND);
    }
    await nothingOwed(postern);
    assert.equal(new Set([...ids('door.open'), ...ids('door.close')]).size, 2);
    assert.equal(stage.hook.requests.length, 4, 'twice each');
    await eventually('mail', () => stage.mail.taken.length > 0, SECOND);
    assert.match(postern.logs, /redis-server is back/);
  });

  it('is told while Redis is away: of a door that opens all the same, and once', async () => {
    const [barred, wrapper] = [join(folder, 'barred'), join(folder, 'redis-server')];
    const script = `#!/bin/sh\n[ -e ${barred} ] && exit 1\nexec /usr/bin/redis-server "$@"\n`;
    await writeFile(wrapper, script, { mode: 0o755 });
    const door = section('web', { ...KNOCKS, allow: '2222/tcp', sinks: 'webhook:ops' });
    const text = `[options]\n\tnft_guard = yes\n${door}${stage.webhook('ops')}`;
    const env = { PATH: `${folder}:${process.env['PATH']}` };
    const postern = await lab.postern({ conf: text, folder, env });
    await lab.write(barred, '');
    process.kill(redisOf(postern) ?? 0, 'SIGKILL');
    await eventually('it is away', () => redisOf(postern) === undefined);
    await lab.knock(SERVER4, SEQUENCE);
    await lab.opens(SERVER4, 5000);
    await eventually('both are told', () => stage.hook.requests.length === 2, SECOND);
    assert.deepEqual([ids('door.open').length, ids('door.close').length], [1, 1]);
    await rm(barred);
    await postern.program.waitFor(/redis-server is back/);
    const all = ['webhook:ops close 1', 'webhook:ops open 1'];
    const isWritten = async () => (await delivered(postern)).join() === all.join();
    await eventually('the journal knows of it', isWritten, SECOND);
    assert.equal(stage.hook.requests.length, 2);
  });

  it('is told by the next postern when one is killed in the middle, with the same id', async () => {
    stage.hook.behaviours = [hangs];
    const first = await start();
    await lab.knock(SERVER4, SEQUENCE);
    await eventually('it is being told', () => stage.hook.requests.length === 1, SECOND);
    await first.kill();
    stage.hook.behaviours = [takes];
    const second = await start();
    await eventually('it is told', () => ids('door.open').length === 2, SECOND);
    await nothingOwed(second);
    assert.equal(new Set(ids('door.open')).size, 1);
    assert.equal(ids('door.close').length, 1, 'what the start closed is told as well');
    await eventually('mail of both', async () => (await delivered(second)).length === 4, SECOND);
    const subjects = stage.mail.taken.map(({ parsed }) => parsed.subject ?? '').join();
    assert.match(subjects, /opened/);
    assert.match(subjects, /closed/);
  });

  it('goes to where the configuration says by now, and nowhere when it says nothing', async () => {
    stage.hook.behaviours = [fails];
    const postern = await start();
    await lab.knock(SERVER4, SEQUENCE);
    await eventually('both have failed', () => stage.hook.requests.length === 2, SECOND);
    const path = /\/t0ken-of-the-url/;
    stage.hook.behaviours = [takes];
    await postern.reload(conf().replace(path, '/moved'), /configuration reloaded/);
    await eventually('they are told', () => stage.hook.requests.length === 4, SECOND);
    const lines = stage.hook.requests.slice(2).map(({ line }) => line);
    assert.deepEqual(lines, ['POST /moved HTTP/1.1', 'POST /moved HTTP/1.1']);
    await nothingOwed(postern);

    stage.hook.behaviours = [fails];
    await lab.knock(SERVER4, SEQUENCE);
    await eventually('both have failed', () => stage.hook.requests.length === 6, SECOND);
    const without = section('vault', { sequence: SEQUENCE.join(','), start_command: 'true' });
    await postern.reload(without, /configuration reloaded/);
    await nothingOwed(postern);
    assert.match(postern.logs, /not delivered, and given up/);
    assert.equal(stage.hook.requests.length, 6);
  });
});
