/** Configuration text, whatever it is: findings and nothing else, in time linear to its size, no port said. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { renderDiagnostic } from '../../config/diagnostics.js';
import { parseConfiguration } from '../../config/parse.js';
import { configurationWarnings } from '../../config/warnings.js';
import type { Random } from '../capture/random.js';
import { corpus, fuzz, mutatedText, randomBytes } from './support.js';

const FILES = [
  ...corpus('test/fuzz/corpus/config', 'test/config/wild'),
  readFileSync('config/knockd.conf', 'latin1'),
].map((text) => Buffer.from(text, 'latin1').toString('utf8'));

/** Lines and words of all files, to be put into others. */
const PIECES = [...new Set(FILES.flatMap((text) => [...text.split('\n'), ...text.split(/\W+/)]))];

/** Numbers that messages hold by themselves: bounds and defaults. */
const OWN = new Set(['65535', '131072', '1048576', '16777216', '4194304', '100000000', '10000']);

interface Said {
  readonly loads: boolean;
  readonly lines: readonly string[];
}

function read(text: string): Said {
  const { configuration, diagnostics, places } = parseConfiguration(text, 'file.conf');
  const host = { isListening: () => true, interfaces: [] };
  const warnings = configuration ? configurationWarnings(configuration, places, host) : [];
  const errors = diagnostics.filter(({ severity }) => severity === 'error');
  assert.equal(configuration === undefined, errors.length > 0);
  const lines = text.split('\n');
  for (const { line, column } of diagnostics) {
    assert.ok(line >= 0 && line <= lines.length, `line ${line} of ${lines.length}`);
    assert.ok(column >= 0 && column <= (lines[line - 1]?.length ?? 0) + 1, `column ${column}`);
  }
  return {
    loads: configuration !== undefined,
    lines: [...diagnostics, ...warnings].map(renderDiagnostic),
  };
}

/** The ports of the sequences in it, each made one that stands nowhere else in the file. */
function withOwnPorts(random: Random, text: string): { text: string; ports: Set<string> } {
  const ports = new Set<string>();
  const made = text.replace(
    /^([ \t]*sequence[ \t]*=)([^\n]*)/gim,
    (_, key: string, value: string) => {
      const other = value.replace(/\d{3,}/g, () => {
        const port = String(10_000 + random.below(55_000));
        if (!text.includes(port) && !OWN.has(port)) ports.add(port);
        return port;
      });
      return key + other;
    },
  );
  return { text: made, ports };
}

describe('configuration text, whatever it is', () => {
  const counts = { loads: 0, refused: 0 };

  fuzz('is loaded or refused with findings, when files are mutated', 400, (random) => {
    const { loads, lines } = read(mutatedText(random, random.pick(FILES), PIECES));
    for (const line of lines) assert.doesNotMatch(line, /[\p{Cc}\u2028\u202e]/u);
    counts[loads ? 'loads' : 'refused'] += 1;
  });

  after(() => assert.ok(counts.loads > 0 && counts.refused > 0, JSON.stringify(counts)));

  fuzz('is refused or empty, when it is noise', 200, (random) => {
    const noise = randomBytes(random, 400).toString(random.pick(['utf8', 'latin1', 'utf16le']));
    read(noise);
    read(`[d]\n${noise}`);
    read(`[options]\nstate_dir = ${noise}`);
  });

  fuzz('never has a port of a sequence told, wherever an edit takes it', 400, (random) => {
    const { text, ports } = withOwnPorts(random, random.pick(FILES));
    const lines = text.split('\n');
    // What stands behind `sequence =` becomes the value of another line, or another line.
    for (let moves = random.below(3); moves > 0; moves -= 1) {
      const values = lines.filter((line) => /^\s*sequence/i.test(line));
      const value = values.length > 0 ? random.pick(values).replace(/^[^=]*=/, '') : '';
      const at = random.below(lines.length + 1);
      const key = (lines[at] ?? '').split('=')[0] ?? '';
      // Names of doors, of interfaces and the like are there to be told, and so are files and hosts.
      const isName =
        /^\s*(\[|interface|cluster|host|sensor_user|user|from|to|url|redis|local_redis)/i;
      if (!isName.test(key))
        lines.splice(at, random.below(2), `${key}=${random.pick(['', 'x', '/'])}${value}`);
    }
    const made = lines.join('\n');
    for (const line of read(made).lines)
      for (const number of line.match(/\d{5,}/g) ?? [])
        assert.ok(!ports.has(number), `${line}\n${made}`);
  });

  /** Texts that grow with `n`, about as many characters. */
  const SHAPES: Readonly<Record<string, (n: number) => string>> = {
    'one line': (n) => `[d]\nsequence = ${'1,'.repeat(n / 2)}`,
    'a line of blanks': (n) => `[d]\nsequence = 1${' '.repeat(n)}2`,
    'a header': (n) => `[${'x'.repeat(n)}]`,
    'a command of %IP%': (n) => `[d]\nsequence=1\ncommand=${'%IP%'.repeat(n / 4)}`,
    'unknown directives': (n) => `[d]\n${'sequenze = 1\n'.repeat(n / 13)}`,
    'words alone': (n) => `[d]\n${'x\n'.repeat(n / 2)}`,
    'a directive again and again': (n) => `[d]\n${'sequence = 1,2,3\n'.repeat(n / 17)}`,
    'doors of one name': (n) => '[d]\nsequence = 1,2,3\n'.repeat(n / 21),
    'doors without a sequence': (n) => '[d]\n'.repeat(n / 4),
    'doors of many names': (n) =>
      Array.from({ length: n / 24 }, (_, i) => `[d${i}]\nsequence = 1,2,3\n`).join(''),
    'sinks of one name': (n) => '[webhook:a]\nurl = https://x/\n'.repeat(n / 30),
    'names of sinks that are not there': (n) =>
      `[webhook:a]\nurl=https://x/\n[d]\nsequence=1\nsinks=${Array.from({ length: n / 12 }, (_, i) => `webhook:${i}`).join(',')}`,
    'a list of ports': (n) => `[options]\nignore_ports = ${'1-2,'.repeat(n / 4)}1`,
    'a list of addresses': (n) => `[email:a]\nto = ${'a@b,'.repeat(n / 4)}`,
    'empty lines': (n) => '\n'.repeat(n),
    'ends without a beginning': (n) => ']\n='.repeat(n / 3),
  };

  function cpuMs(text: string): number {
    const before = process.cpuUsage();
    parseConfiguration(text, 'file.conf');
    return process.cpuUsage(before).user / 1000;
  }

  for (const [what, shape] of Object.entries(SHAPES)) {
    it(`takes time linear to its size: ${what}`, function () {
      this.timeout(60_000);
      const [small, large] = [shape(40_000), shape(80_000)];
      let [least, most] = [Infinity, Infinity];
      // The least of several: what else runs on the machine only adds.
      for (let tries = 0; tries < 12; tries += 1) {
        least = Math.min(least, cpuMs(small));
        most = Math.min(most, cpuMs(large));
        // Below some milliseconds nothing can be told, and nothing needs to be.
        if (tries >= 2 && most <= Math.max(30, 2.5 * least)) break;
      }
      assert.ok(most <= Math.max(30, 2.5 * least), `${least} ms, doubled ${most} ms`);
      assert.ok(most < 1000, `${most} ms`);
    });
  }
});
