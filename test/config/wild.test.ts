/**
 * Configuration files in the wild: what the real knockd and postern make of each file in `wild/`.
 * `refused-*`: refused by both; `differs-*`: one of them refuses, on purpose; all else: loaded by
 * both, with the same meaning.
 */
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { loadConfiguration } from '../../config/load.js';
import { readOneTimeFile } from '../../config/one-time-file.js';
import { type Configuration, type Door, TCP_FLAG } from '../../config/types.js';
import { createNetwork, type Network } from '../support/netns.js';
import { requireRoot } from '../support/root.js';
import { useFolder } from './support/folder.js';
import { type DoorReading, type KnockdReading, knockdReads } from './support/knockd-reading.js';

const WILD = 'test/config/wild';

describe('configuration files in the wild, beside the real knockd', () => {
  let network: Network;
  const folder = useFolder();

  before(async function () {
    requireRoot(this);
    network = await createNetwork();
    await mkdir(join(folder(), 'knockd'));
    await writeFile(join(folder(), 'knockd/smtp_sequences'), ONE_TIME, { mode: 0o600 });
    await writeFile(join(folder(), 'knockd/used_up'), '#7000,8000\n# all gone\n', { mode: 0o600 });
  });
  after(() => network?.dispose());

  /** A private copy, in which no path leads out of the temporary folder. */
  async function copy(name: string, text: string): Promise<string> {
    const file = join(folder(), name);
    const inside = text
      .replaceAll('/var/log/', `${folder()}/`)
      .replaceAll('/etc/knockd/', `${folder()}/knockd/`);
    await writeFile(file, inside, { mode: 0o600 });
    return file;
  }

  async function readBoth(name: string, text: string) {
    const file = await copy(name, text);
    const [knockd, postern] = await Promise.all([
      knockdReads(network, file),
      loadConfiguration(file),
    ]);
    return { knockd, postern };
  }

  it('mean the same to both, or are refused by both', async function () {
    this.timeout(60_000);
    const names = (await wildFiles()).filter((name) => !name.startsWith('differs-'));
    assert.ok(names.length > 35);
    for (const name of names) {
      const text = await readFile(join(WILD, name), 'utf8');
      const { knockd, postern } = await readBoth(name, text);
      assert.equal(knockd.accepted, !name.startsWith('refused-'), `${name}: ${knockd.said}`);
      assert.equal(
        postern.configuration !== undefined,
        knockd.accepted,
        `${name}: ${JSON.stringify(postern.diagnostics)}`,
      );
      if (postern.configuration) await assertSame(name, knockd, postern.configuration);
    }
  });

  it('mean the same with CRLF line ends and without a last newline', async () => {
    for (const name of ['debian.conf', 'commands.conf', 'twice.conf', 'two-options.conf']) {
      const text = await readFile(join(WILD, name), 'utf8');
      const odd = text.trimEnd().replaceAll('\n', '\r\n');
      const { knockd, postern } = await readBoth(`odd-${name}`, odd);
      assert.ok(postern.configuration && knockd.accepted, name);
      await assertSame(name, knockd, postern.configuration);
    }
  });

  it('differ only where the file says why', async () => {
    const names = (await wildFiles()).filter((name) => name.startsWith('differs-'));
    assert.ok(names.length > 5);
    for (const name of names) {
      const text = await readFile(join(WILD, name), 'utf8');
      assert.match(text, /^# .*\w/, `${name} does not say why`);
      const { knockd, postern } = await readBoth(name, text);
      const diagnostics = JSON.stringify(postern.diagnostics);
      assert.notEqual(
        postern.configuration !== undefined,
        knockd.accepted,
        `${name}: ${diagnostics}`,
      );
    }
  });
});

const ONE_TIME = '#1,2,3\n\n  7000,9000:udp,8000\n4000,6000,5000\n';

async function wildFiles(): Promise<readonly string[]> {
  return (await readdir(WILD)).filter((name) => name.endsWith('.conf')).sort();
}

async function assertSame(
  name: string,
  knockd: KnockdReading,
  { options, doors }: Configuration,
): Promise<void> {
  const ours = await Promise.all(doors.map(inKnockdsWords));
  assert.deepEqual(ours.map(comparable), knockd.doors.map(withDefaults).map(comparable), name);
  assert.equal(options.useSyslog, 'usesyslog' in knockd.options, name);
  assert.equal(options.logFile ?? '', knockd.options['log file'] ?? '', name);
  assert.equal(options.pidFile, knockd.options['pid file'] ?? '/var/run/knockd.pid', name);
}

/** What knockd does not print, because the file does not give it. */
function withDefaults(door: DoorReading): DoorReading {
  return { ...door, values: { seq_timeout: '25', cmd_timeout: '10', ...door.values } };
}

function comparable({ name, values, flags }: DoorReading) {
  const { 'one time sequences file': file, ...rest } = values;
  return { name, values: { ...rest, ...(file && { file: basename(file) }) }, flags };
}

async function inKnockdsWords(door: Door): Promise<DoorReading> {
  const { sequence, startCommand, startCommand6, stopCommand, stopCommand6, target } = door;
  const oneTime = sequence.kind === 'oneTime' ? await readOneTimeFile(sequence.file) : undefined;
  const knocks = sequence.kind === 'fixed' ? sequence.knocks : oneTime?.lines[0]?.knocks;
  return {
    // The second door of one name is shown as name#2.
    name: door.name.replace(/#\d+$/, ''),
    values: {
      sequence: knocks!.map(({ port, protocol }) => `${port}:${protocol}`).join(','),
      ...(sequence.kind === 'oneTime' && { 'one time sequences file': sequence.file }),
      seq_timeout: String(door.seqTimeoutMs / 1000),
      cmd_timeout: String(door.cmdTimeoutMs / 1000),
      ...(target !== undefined && { target }),
      ...(startCommand !== undefined && { start_command: startCommand }),
      ...(startCommand6 !== undefined && { start_command_6: startCommand6 }),
      ...(stopCommand !== undefined && { stop_command: stopCommand }),
      ...(stopCommand6 !== undefined && { stop_command_6: stopCommand6 }),
    },
    flags: flagsOf(door),
  };
}

function flagsOf({ tcpFlags }: Door): Record<string, boolean> {
  const flags: Record<string, boolean> = {};
  assert.equal(tcpFlags.required & tcpFlags.excluded, 0);
  for (const [name, bit] of Object.entries(TCP_FLAG)) {
    if (tcpFlags.required & bit) flags[name.toUpperCase()] = true;
    if (tcpFlags.excluded & bit) flags[name.toUpperCase()] = false;
  }
  return flags;
}
