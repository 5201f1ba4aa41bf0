/**
 * Seeded fuzzing: `FUZZ_RUNS` multiplies how much is tried (1: a few seconds in all; 100: in full),
 * `FUZZ_SEED` makes a run again.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Random, randomFrom } from '../capture/random.js';

const FACTOR = Number(process.env['FUZZ_RUNS'] ?? 1);
const SEED = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1e9);

/** How often something is tried that is tried so often every day. */
export function scaled(everyday: number): number {
  return Math.max(1, Math.ceil(everyday * FACTOR));
}

/** A test of `everyday` random cases; what fails says its seed and case. */
export function fuzz(
  title: string,
  everyday: number,
  one: (random: Random) => void | Promise<void>,
): void {
  it(`${title} (FUZZ_SEED=${SEED})`, async function () {
    this.timeout(0);
    for (let i = 0; i < scaled(everyday); i += 1) {
      try {
        await one(randomFrom(SEED + i * 7919));
      } catch (cause) {
        throw new Error(`FUZZ_SEED=${SEED}, case ${i}: ${String(cause)}`, { cause });
      }
    }
  });
}

/** The files of a folder of the corpus, byte for byte as characters. */
export function corpus(...folders: readonly string[]): readonly string[] {
  return folders.flatMap((folder) =>
    readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => name)
      .sort()
      .map((name) => readFileSync(join(folder, name), 'latin1')),
  );
}

const ODD = [
  ...[
    '\0',
    '\n',
    '\r',
    '\t',
    ' ',
    '"',
    "'",
    '\\',
    '%',
    '#',
    ';',
    '[',
    ']',
    '=',
    ',',
    ':',
    '{',
    '}',
  ],
  ...['é', '\ud800', '\u202e', '\u2028', '\ufeff', '\ufffd', '-', '+', '0', '9', '65536', '1e9'],
  ...['__proto__', 'constructor', 'toString', 'null', 'NaN', '%IP%', '$(reboot)', '../', '\n[x]\n'],
];

/** The text with up to eight edits; pieces of `words` among them. */
export function mutatedText(random: Random, text: string, words: readonly string[] = []): string {
  let made = text;
  for (let edits = 1 + random.below(8); edits > 0; edits -= 1) made = edited(random, made, words);
  return made;
}

function edited(random: Random, text: string, words: readonly string[]): string {
  const from = random.below(text.length + 1);
  const to = Math.min(text.length, from + random.below(random.chance(4) ? 200 : 8));
  const [head, piece, tail] = [text.slice(0, from), text.slice(from, to), text.slice(to)];
  switch (random.below(7)) {
    case 0:
      return `${head}${tail}`;
    case 1:
      return `${head}${piece}${piece}${tail}`;
    case 2:
      return `${head}${random.pick(ODD)}${tail}`;
    case 3:
      return `${head}${words.length > 0 ? random.pick(words) : piece}${tail}`;
    case 4:
      return `${head}${String.fromCharCode(random.below(random.chance(3) ? 65_536 : 128))}${tail}`;
    case 5:
      return `${tail}${piece}${head}`;
    default:
      return `${head}${random.pick(ODD).repeat(1 + random.below(random.chance(20) ? 3000 : 20))}${tail}`;
  }
}

export function randomBytes(random: Random, most: number): Buffer {
  return Buffer.from(Array.from({ length: random.below(most + 1) }, () => random.below(256)));
}

/** Any JSON value, now and then deep, or with the names of what objects inherit. */
export function anyJson(random: Random, depth = 4): unknown {
  const kind = random.below(depth > 0 ? 8 : 6);
  switch (kind) {
    case 0:
      return random.pick([null, true, false]);
    case 1:
      return random.pick([0, -1, 1.5, 1e308, 2 ** 53, -0]);
    case 2:
      return mutatedText(random, 'open');
    case 3:
      return random.chance(50) ? nested(2000) : '';
    case 4:
    case 5:
      return random.below(1000);
    case 6:
      return Array.from({ length: random.below(4) }, () => anyJson(random, depth - 1));
    default: {
      const names = ['__proto__', 'constructor', 'type', 'grant', 'door', 'mac', 'kind', 'x'];
      const pairs = Array.from({ length: random.below(4) }, () => [
        JSON.stringify(random.pick(names)),
        JSON.stringify(anyJson(random, depth - 1) ?? null),
      ]);
      // As JSON.parse makes it: with `__proto__` a member of its own.
      return JSON.parse(`{${pairs.map((pair) => pair.join(':')).join(',')}}`);
    }
  }
}

function nested(depth: number): unknown {
  return JSON.parse(`${'[{"a":'.repeat(depth)}1${'}]'.repeat(depth)}`);
}
