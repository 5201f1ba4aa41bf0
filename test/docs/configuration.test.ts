import assert from 'node:assert/strict';
import { CLUSTER_DIRECTIVES } from '../../config/cluster.js';
import { FINDINGS } from '../../config/diagnostics.js';
import type { Directive } from '../../config/directives.js';
import { DOOR_DIRECTIVES } from '../../config/doors.js';
import { OPTION_DIRECTIVES, SHARED_DIRECTIVES } from '../../config/options.js';
import { parseConfiguration } from '../../config/parse.js';
import {
  EMAIL_DIRECTIVES,
  MODULE_DIRECTIVES,
  WEBHOOK_DIRECTIVES,
} from '../../config/sink-directives.js';
import { blocks, codes, page, rows } from './pages.js';

const PAGE = 'docs/configuration.md';
const PAGES = [
  PAGE,
  ...['knockd', 'errors', 'replay', 'firewall', 'reliability', 'install', 'architecture'].map(
    (name) => `docs/${name}.md`,
  ),
  ...['cluster', 'docker', 'sinks'].map((name) => `docs/${name}.md`),
];

type Named = Pick<Directive<never>, 'name' | 'aliases' | 'alone'>;

const apart = [...SHARED_DIRECTIVES, ...CLUSTER_DIRECTIVES] as const;
const shared = new Set<string>(apart.map(({ name }) => name));
const ownOf = (directives: readonly Named[]) => directives.filter(({ name }) => !shared.has(name));

interface Table {
  readonly marker: string;
  readonly where: string;
  readonly known: readonly Named[];
  readonly around: (line: string) => string;
  /** What stands around the line already, so that nothing shows its default. */
  readonly given?: readonly string[];
}

/** What sections of sinks cannot do without. */
const WEBHOOK = 'url = https://h\nsecret_file = /s';
const EMAIL = 'host = h\nuser = u\npassword_file = /p\nfrom = a@b\nto = c@d';

/** The tables of the page: which directives each has, and a configuration with a line in place. */
const TABLES: readonly Table[] = [
  {
    marker: 'directives: options',
    where: 'globals',
    known: ownOf(OPTION_DIRECTIVES),
    around: (line: string) => `[options]\n${line}\n[door]\nSequence = 1,3,2\n`,
  },
  {
    marker: 'directives: cluster',
    where: 'globals of the cluster',
    known: CLUSTER_DIRECTIVES,
    // These belong together, so they stand around every line.
    around: (line: string) =>
      '[options]\ncluster = c\nredis = rediss://h\nredis_cert_file = /c\nredis_key_file = /k\n' +
      `${line}\n[door]\nSequence = 1,3,2\n`,
    given: ['cluster', 'redis', 'redis_cert_file', 'redis_key_file'],
  },
  {
    marker: 'directives: shared',
    where: 'shared directives at a door',
    known: SHARED_DIRECTIVES,
    around: (line: string) => `[door]\nSequence = 1,3,2\n${line}\n`,
  },
  {
    marker: 'directives: shared',
    where: 'shared directives in [options] behind the door',
    known: SHARED_DIRECTIVES,
    around: (line: string) => `[door]\nSequence = 1,3,2\n[options]\n${line}\n`,
  },
  {
    marker: 'directives: door',
    where: 'directives of a door',
    known: ownOf(DOOR_DIRECTIVES),
    around: (line: string) =>
      `[door]\nSequence = 1,3,2\n${line}\n[webhook:ops]\n${WEBHOOK}\n[email:oncall]\n${EMAIL}\n`,
    given: ['Sequence', 'One_Time_Sequences'],
  },
  {
    marker: 'directives: webhook',
    where: 'directives of a webhook',
    known: WEBHOOK_DIRECTIVES,
    around: (line: string) => `[webhook:ops]\n${WEBHOOK}\n${line}\n`,
    given: ['url', 'secret_file'],
  },
  {
    marker: 'directives: email',
    where: 'directives of an email sink',
    known: EMAIL_DIRECTIVES,
    around: (line: string) =>
      `[email:oncall]\n${/^url/.test(line) ? EMAIL.replace(/^(host|user).*\n/gm, '') : EMAIL}\n${line}\n`,
    given: ['url', 'host', 'user', 'password_file', 'from', 'to'],
  },
  {
    marker: 'directives: module',
    where: 'directives of a module',
    known: MODULE_DIRECTIVES,
    around: (line: string) => `[module:gate]\npath = /gate.mjs\n${line}\n`,
    given: ['path'],
  },
];

/** What the text means to postern, but for the lines that doors and sinks stand on. */
function meaning(text: string): unknown {
  const { configuration, diagnostics } = parseConfiguration(text, 'docs');
  const errors = diagnostics.filter(({ severity }) => severity === 'error');
  assert.deepEqual(errors, [], text);
  return {
    ...configuration,
    doors: configuration?.doors.map((door) => ({ ...door, line: 0 })),
    sinks: configuration?.sinks.map((sink) => ({ ...sink, line: 0 })),
  };
}

/** What the default is, of everything that the one text changes against the other. */
function inForce(changed: string, plain: string): readonly unknown[] {
  const [after, before] = [changed, plain].map(values);
  return Object.keys({ ...before, ...after })
    .filter((key) => JSON.stringify(after?.[key]) !== JSON.stringify(before?.[key]))
    .map((key) => before?.[key])
    .filter((value) => !NOTHING.has(JSON.stringify(value)));
}

const NOTHING = new Set([undefined, 'false', '[]', '{"required":0,"excluded":0}']);

function values(text: string): Readonly<Record<string, unknown>> {
  const { configuration } = parseConfiguration(text, 'docs');
  const { options, doors: [door] = [], sinks: [sink] = [] } = configuration ?? {};
  return { ...options, ...door, ...sink };
}

describe('docs/configuration.md', () => {
  for (const { marker, where, known, around, given: ofAround = [] } of TABLES) {
    it(`${where}: has each directive with its other names, and no other`, async () => {
      const listed = rows(await page(PAGE), marker).map(([names = '']) => codes(names).join(' '));
      const names = known.map(({ name, aliases = [] }) => [name, ...aliases].join(' '));
      assert.deepEqual([...listed].sort(), [...names].sort());
    });

    it(`${where}: the default that it names is what a missing line means`, async () => {
      for (const [names = '', given = ''] of rows(await page(PAGE), marker)) {
        const [name = ''] = codes(names);
        const [value] = codes(given);
        if (value === undefined) assert.equal(given, 'none', name);
        else assert.deepEqual(meaning(around(`${name} = ${value}`)), meaning(around('')), name);
      }
    });

    it(`${where}: "none" stands only where nothing is in force without a line`, async () => {
      for (const [names = '', given, example = ''] of rows(await page(PAGE), marker)) {
        const [name = ''] = codes(names);
        const [value] = codes(example);
        if (given !== 'none' || ofAround.includes(name)) continue;
        const line = value === undefined ? name : `${name} = ${value}`;
        assert.deepEqual(inForce(around(line), around('')), [], name);
      }
    });

    it(`${where}: each example loads and differs from the default, by each of its names`, async () => {
      for (const [names = '', , example = ''] of rows(await page(PAGE), marker)) {
        const [value] = codes(example);
        for (const name of codes(names)) {
          const line = value === undefined ? name : `${name} = ${value}`;
          assert.notDeepEqual(meaning(around(line)), meaning(around('')), line);
        }
      }
    });
  }

  it('has every warning of `postern check`, with its meaning', async () => {
    const listed = rows(await page(PAGE), 'warnings').map(([code = '', text]) => [
      codes(code)[0],
      text,
    ]);
    const warnings = Object.entries(FINDINGS).filter(([code]) => code.startsWith('POSTERN_W_'));
    assert.deepEqual(listed.sort(), warnings.sort());
  });
});

describe('the pages of docs', () => {
  for (const path of PAGES) {
    it(`${path}: every configuration in it loads without an error`, async () => {
      const examples = blocks(await page(path), 'ini');
      if (path === PAGE) assert.ok(examples.length > 0);
      for (const example of examples) meaning(example);
    });

    it(`${path}: every link leads to a page and a heading that are there`, async () => {
      for (const [, target = ''] of (await page(path)).matchAll(/\]\(([^)]+)\)/g)) {
        if (target.startsWith('https://')) continue;
        const [file = '', heading] = target.split('#');
        const text = await page(file === '' ? path : `docs/${file}`);
        const anchors = [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) => anchor(title));
        if (heading !== undefined) assert.ok(anchors.includes(heading), `${path}: ${target}`);
      }
    });
  }

  it('docs/knockd.md states every rule', async () => {
    const text = await page('docs/knockd.md');
    const rules = [...text.matchAll(/^\| ([MG]\d+) \|/gm)].map(([, rule]) => rule);
    const numbers = (letter: string, count: number) =>
      Array.from({ length: count }, (_, index) => `${letter}${index + 1}`);
    assert.deepEqual(rules, [...numbers('M', 12), ...numbers('G', 10)]);
  });
});

/** A heading's anchor as GitHub makes it. */
function anchor(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replace(/\s/g, '-');
}
