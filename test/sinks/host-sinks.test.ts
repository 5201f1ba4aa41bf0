import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfiguration } from '../../config/parse.js';
import type { Configuration } from '../../config/types.js';
import type { Sink } from '../../sinks/types.js';
import { HostSinks } from '../../src/host-sinks.js';
import { noActionLog } from '../../src/log/action-log.js';
import { recordingLog } from '../support/recording-log.js';

describe('the sinks of a host', () => {
  let folder: string;
  let handed: string[];
  let sinks: HostSinks | undefined;
  beforeEach(async () => {
    handed = [];
    folder = await mkdtemp(join(tmpdir(), 'postern-host-sinks-'));
    await writeFile(secret(), `whsec_${Buffer.alloc(32, 7).toString('base64')}\n`, { mode: 0o600 });
  });
  afterEach(async () => {
    await sinks?.stop();
    await rm(folder, { recursive: true });
  });

  const secret = () => join(folder, 'secret');
  const handOver = (sink: Sink): Sink => {
    handed.push(sink.name);
    return { name: sink.name, open: async () => {} };
  };

  function configuration(command: string, file = secret()): Configuration {
    const text =
      `[door]\nsequence = 1,3,2\nsinks = webhook:ops\n${command}\n` +
      `[webhook:ops]\nurl = https://hooks.example.net/\nsecret_file = ${file}\n`;
    const parsed = parseConfiguration(text, 'file.conf').configuration;
    assert.ok(parsed);
    return parsed;
  }

  async function start(first: Configuration): Promise<HostSinks> {
    sinks = new HostSinks({
      ...{ configuration: first, actions: noActionLog, log: recordingLog(), handOver },
    });
    await sinks.start();
    return sinks;
  }

  it('are its commands and those it names, of which those that tell others are handed over', async () => {
    const first = configuration('command = echo %IP%');
    const host = await start(first);
    const door = first.doors[0]!;
    assert.deepEqual(
      host.for(door, '192.0.2.1').map(({ name }) => name),
      ['exec', 'webhook:ops'],
    );
    assert.deepEqual(handed, ['webhook:ops']);
    assert.notEqual(host.named(door)[0]?.delivery, undefined, 'the sink itself');
  });

  it('are none but those it names at a door without commands', async () => {
    const first = configuration('');
    const names = (await start(first)).for(first.doors[0]!, '2001:db8::1').map(({ name }) => name);
    assert.deepEqual(names, ['webhook:ops']);
  });

  it('are there, too, for a door of a configuration that was kept', async () => {
    const host = await start(configuration(''));
    const earlier = configuration('command = old');
    await host.learn(earlier);
    assert.deepEqual(
      host.for(earlier.doors[0]!, '192.0.2.1').map(({ name }) => name),
      ['exec', 'webhook:ops'],
    );
  });

  it('start without one that cannot be used; a reload says so, and mends it', async () => {
    const missing = join(folder, 'missing');
    const host = await start(configuration('', missing));
    const said = () => host.problems.map(({ line, code, severity }) => [line, code, severity]);
    assert.deepEqual(said(), [[5, 'POSTERN_W_SINK', 'warning']]);
    assert.match(host.problems[0]!.message, /\[webhook:ops\].*missing does not exist/);
    await host.change(configuration('', missing));
    assert.equal(host.problems.length, 1);
    await host.change(configuration(''));
    assert.deepEqual(said(), []);
  });
});
