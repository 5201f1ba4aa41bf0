import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Door } from '../../config/types.js';
import type { ModuleSettings, SinkSettings, WebhookSettings } from '../../sinks/settings.js';
import type { Sink, SinkGrant } from '../../sinks/types.js';
import { PosternError } from '../../src/errors.js';
import { NamedSinks } from '../../src/named-sinks.js';
import { testDoor } from '../support/door.js';
import { recordingLog } from '../support/recording-log.js';

const GRANT: SinkGrant = {
  ...{ id: 'h/1-1', door: 'test', source: '192.0.2.1', host: 'h', untilMs: null, leftMs: null },
};
const quiet = new AbortController().signal;

describe('the sinks that doors name', () => {
  let folder: string;
  let log: ReturnType<typeof recordingLog>;
  /** What was made, and what it was called for: `webhook:ops 1 open`. */
  let calls: string[];
  let made: number;
  /** Why none can be made now. */
  let refusal: string | undefined;
  let sinks: NamedSinks;

  const create = async ({ name, kind }: SinkSettings): Promise<Sink> => {
    if (refusal !== undefined) throw new PosternError('POSTERN_E_SINK', refusal);
    made += 1;
    const which = `${name} ${made}`;
    const note = (what: string) => async () => void calls.push(`${which} ${what}`);
    return {
      name,
      ...(kind !== 'module' && { delivery: { retryAfterMs: () => 4711 } }),
      ...{ open: note('open'), close: note('close') },
    };
  };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-named-'));
    await writeFile(secret(), 'one');
    [log, calls, made, refusal] = [recordingLog(), [], 0, undefined];
    sinks = new NamedSinks(log, { create, withinMs: 10_000 });
  });
  afterEach(() => rm(folder, { recursive: true }));

  const secret = () => join(folder, 'secret');
  const hook = (changes: Partial<WebhookSettings> = {}): WebhookSettings => ({
    ...{ kind: 'webhook', name: 'webhook:ops', line: 1, url: 'https://h', secretFile: secret() },
    ...{ events: ['open', 'close', 'failed'], timeoutMs: 1000, privateTargets: true },
    ...changes,
  });
  const gate = (): ModuleSettings => ({
    ...{ kind: 'module', name: 'module:gate', line: 5, path: join(folder, 'gate.mjs') },
    options: {},
  });
  const doorWith = (...names: readonly string[]): Door => testDoor({ sinks: names });
  const [ops] = ['webhook:ops'];
  const openAt = async (door: Door) => {
    for (const sink of sinks.of(door)) await sink.open(GRANT, quiet);
    return calls.splice(0);
  };
  const errors = () =>
    log.entries.filter(({ level }) => level === 'error').map(({ fields }) => fields['reason']);

  it('are given to a door in its order', async () => {
    const door = doorWith('module:gate', ops);
    await sinks.load({ doors: [door, doorWith()], sinks: [hook(), gate()] });
    assert.deepEqual(
      sinks.of(door).map(({ name }) => name),
      ['module:gate', 'webhook:ops'],
    );
    assert.deepEqual(sinks.of(doorWith()), []);
    assert.deepEqual(
      sinks.of(door).map(({ delivery }) => delivery?.retryAfterMs(1, undefined, 0)),
      [undefined, 4711],
    );
  });

  it('stay as they are at a reload that changes nothing of them', async () => {
    const [before, after] = [doorWith(ops), doorWith(ops)];
    await sinks.load({ doors: [before], sinks: [hook()] });
    await sinks.load({ doors: [after], sinks: [hook({ line: 9 })] });
    assert.deepEqual(await openAt(before), ['webhook:ops 1 open']);
    assert.deepEqual(await openAt(after), ['webhook:ops 1 open']);
  });

  it('are loaded anew at a reload when a file of them changed, also for what is open', async () => {
    const before = doorWith(ops);
    await sinks.load({ doors: [before], sinks: [hook()] });
    const [held] = sinks.of(before);
    await writeFile(secret(), 'another');
    await sinks.load({ doors: [doorWith(ops)], sinks: [hook()] });
    await held!.close!(GRANT, quiet);
    assert.deepEqual(calls.splice(0), ['webhook:ops 2 close']);
    assert.deepEqual(await openAt(before), ['webhook:ops 2 open']);
  });

  it('stay with the doors of the configuration that they stand in', async () => {
    const [before, after] = [doorWith(ops), doorWith(ops)];
    await sinks.load({ doors: [before], sinks: [hook()] });
    await sinks.load({ doors: [after], sinks: [hook({ url: 'https://other' })] });
    assert.deepEqual(await openAt(before), ['webhook:ops 1 open']);
    assert.deepEqual(await openAt(after), ['webhook:ops 2 open']);
  });

  it('that tell others are those of now for what is still owed to them', async () => {
    const before = doorWith(ops, 'module:gate');
    const openNow = async () => {
      for (const sink of sinks.ofNow(before)) await sink.open(GRANT, quiet);
      return calls.splice(0);
    };
    await sinks.load({ doors: [before], sinks: [hook(), gate()] });
    assert.deepEqual(await openNow(), ['webhook:ops 1 open', 'module:gate 2 open']);
    const moved = { ...gate(), path: join(folder, 'other.mjs') };
    await sinks.load({ doors: [], sinks: [hook({ url: 'https://moved' }), moved] });
    assert.deepEqual(await openNow(), ['webhook:ops 3 open', 'module:gate 2 open']);
    await sinks.load({ doors: [], sinks: [] });
    assert.deepEqual(await openNow(), ['module:gate 2 open']);
  });

  it('are known for the doors of a configuration that was kept', async () => {
    await sinks.load({ doors: [doorWith(ops)], sinks: [hook()] });
    const [same, other] = [doorWith(ops), doorWith(ops)];
    await sinks.learn({ doors: [same], sinks: [hook({ line: 3 })] });
    await sinks.learn({ doors: [other], sinks: [hook({ url: 'https://earlier' })] });
    assert.deepEqual(await openAt(same), ['webhook:ops 1 open']);
    assert.deepEqual(await openAt(other), ['webhook:ops 2 open']);
    assert.deepEqual(sinks.problems, []);
  });

  describe('and cannot be used', () => {
    beforeEach(() => {
      refusal = '[webhook:ops]: /s does not exist';
    });

    it('are said loudly, and fail with the reason until a reload mends them', async () => {
      const door = doorWith(ops);
      await sinks.load({ doors: [door], sinks: [hook({ line: 7 })] });
      assert.deepEqual(errors(), [refusal]);
      assert.deepEqual(
        sinks.problems.map(({ sink, reason }) => [sink.line, reason]),
        [[7, refusal]],
      );
      const [held] = sinks.of(door);
      await assert.rejects(held!.open(GRANT, quiet), { message: refusal, code: 'POSTERN_E_SINK' });
      await assert.rejects(held!.close!(GRANT, quiet), { message: refusal });
      await assert.rejects(held!.failed!(GRANT, 'x', quiet), { message: refusal });
      refusal = undefined;
      await sinks.load({ doors: [doorWith(ops)], sinks: [hook()] });
      await held!.open(GRANT, quiet);
      assert.deepEqual(calls, ['webhook:ops 1 open']);
      assert.deepEqual(sinks.problems, []);
      assert.equal(held!.delivery?.retryAfterMs(1, undefined, 0), 4711);
    });

    it('are tried again for a day, at least every hour, as long as they tell others', async () => {
      const door = doorWith(ops, 'module:gate');
      await sinks.load({ doors: [door], sinks: [hook(), gate()] });
      const [told, acting] = sinks.of(door);
      let ageMs = 0;
      for (let attempt = 1; attempt < 100; attempt += 1) {
        const delayMs = told!.delivery!.retryAfterMs(attempt, undefined, ageMs);
        if (delayMs === undefined) break;
        assert.ok(delayMs >= 60_000 && delayMs <= 3_600_000);
        ageMs += delayMs;
      }
      assert.ok(ageMs > 86_400_000 && ageMs < 2 * 86_400_000, String(ageMs));
      assert.equal(acting!.delivery, undefined);
    });

    it('have nothing to do with what they are not told of', async () => {
      const door = doorWith(ops);
      await sinks.load({ doors: [door], sinks: [hook({ events: ['close'] })] });
      const [sink] = sinks.of(door);
      await sink!.open(GRANT, quiet);
      assert.equal(sink!.failed, undefined);
      await assert.rejects(sink!.close!(GRANT, quiet), { message: refusal });
    });

    it('a module closes what it has not opened, and not what it opened before', async () => {
      const door = doorWith('module:gate');
      await sinks.load({ doors: [door], sinks: [gate()] });
      const [sink] = sinks.of(door);
      await assert.rejects(sink!.open(GRANT, quiet), { message: refusal });
      await sink!.close!(GRANT, quiet);
      await assert.rejects(sink!.close!(GRANT, quiet), { message: refusal });
    });

    it('go on as they were, if they were, and it is said', async () => {
      refusal = undefined;
      const door = doorWith(ops);
      await sinks.load({ doors: [door], sinks: [hook()] });
      await writeFile(secret(), '');
      refusal = 'it is empty';
      await sinks.load({ doors: [door], sinks: [hook()] });
      assert.deepEqual(errors(), ['it is empty']);
      assert.equal(sinks.problems.length, 1);
      assert.deepEqual(await openAt(door), ['webhook:ops 1 open']);
      refusal = undefined;
      await sinks.load({ doors: [door], sinks: [hook()] });
      assert.deepEqual(await openAt(door), ['webhook:ops 2 open']);
    });
  });

  it('that never get ready keep nothing waiting', async () => {
    sinks = new NamedSinks(log, { create: () => new Promise(() => {}), withinMs: 50 });
    await sinks.load({ doors: [], sinks: [gate()] });
    assert.match(String(errors()), /\[module:gate\] was not ready within 0.05 s/);
  });
});
