import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PosternError } from '../../src/errors.js';
import { createServiceLog, type ServiceLogOptions } from '../../src/log/service-log.js';

const EVIL = 'a\nb\u001b[2J\u009b\u202e';

describe("the service's own log", () => {
  let folder: string;
  let fd: number;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-service-log-'));
    fd = openSync(join(folder, 'log'), 'a+');
  });
  afterEach(async () => {
    closeSync(fd);
    await rm(folder, { recursive: true });
  });
  const text = () => readFileSync(join(folder, 'log'), 'utf8');
  const open = (options: ServiceLogOptions = {}) => createServiceLog({ fd, ...options });

  it('writes a JSON object a line, at once', async () => {
    const log = await open();
    log.info({ door: 'ssh', count: 2 }, 'opened');
    const line = JSON.parse(text());
    assert.equal(line.msg, 'opened');
    assert.equal(line.door, 'ssh');
    assert.equal(line.count, 2);
    assert.ok(Math.abs(Date.parse(line.time) - Date.now()) < 5_000);
  });

  it('leaves debug lines out unless they are asked for', async () => {
    (await open()).debug({}, 'hidden');
    assert.equal(text(), '');
    (await open({ level: 'debug' })).debug({}, 'shown');
    assert.match(text(), /shown/);
  });

  it('writes lines for people when it is told to, or on a terminal', async () => {
    const log = await open({ pretty: true });
    log.warn({ door: 'ssh' }, 'the door is stuck');
    assert.match(text(), /^\[\d\d:\d\d:\d\d\] WARN.*: ssh: the door is stuck.*\n$/);
  });

  for (const pretty of [false, true])
    it(`escapes control characters everywhere (${pretty ? 'pretty' : 'JSON'})`, async () => {
      const log = await open({ pretty });
      const error = new PosternError('POSTERN_E_COMMAND', EVIL, { cause: new Error(EVIL) });
      log.error({ [EVIL]: EVIL, deep: [{ text: EVIL }], error }, EVIL);
      const lines = text().split('\n');
      assert.equal(lines.length, 2, text());
      assert.doesNotMatch(lines[0]!, /[\p{Cc}\u202e]/u);
      assert.match(lines[0]!, /POSTERN_E_COMMAND/);
    });

  it('is not thrown off by what cannot be written as JSON', async () => {
    const log = await open();
    const circle: Record<string, unknown> = { big: 12n };
    circle['self'] = circle;
    log.info(circle, 'odd');
    assert.equal(JSON.parse(text()).big, '12');
  });
});
