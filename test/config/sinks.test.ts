import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isShared } from '../../config/commands.js';
import { renderDiagnostic } from '../../config/diagnostics.js';
import { parseConfiguration } from '../../config/parse.js';
import { configurationWarnings } from '../../config/warnings.js';
import type { SinkSettings } from '../../sinks/settings.js';
import { loads, saidOf } from './support/parsed.js';

const HOOK = ['[webhook:ops]', 'url = https://hooks.example.net/x', 'secret_file = /s'];
const MAIL = [
  '[email:oncall]',
  'host = mail.example.net',
  'from = a@b.example',
  'to = c@d.example',
];
const MODULE = ['[module:gate]', 'path = /etc/postern/gate.mjs'];
const DOOR = ['[d]', 'sequence = 27000,29000,28000', 'tcpflags = syn'];

/** The only sink of a text that must load. */
function sinkOf(...lines: readonly string[]): SinkSettings {
  const { sinks } = loads(lines.join('\n'));
  assert.equal(sinks.length, 1);
  return sinks[0]!;
}

/** These parts of it are so. */
function assertHas(sink: SinkSettings, parts: object): void {
  assert.deepEqual({ ...sink, ...parts }, sink);
}

/** What is said of lines, without what a file without a door is told. */
const said = (...lines: readonly string[]) =>
  saidOf(lines.join('\n')).filter((line) => !line.includes('NO_DOORS'));

function assertSaid(lines: readonly string[], ...patterns: readonly RegExp[]): void {
  const found = said(...lines);
  assert.equal(found.length, patterns.length, found.join('\n'));
  for (const [index, pattern] of patterns.entries()) assert.match(found[index]!, pattern);
}

/** Warnings of `postern check`, as `LINE CODE`. */
function warned(...lines: readonly string[]): readonly string[] {
  const { configuration, places, diagnostics } = parseConfiguration(lines.join('\n'), 'file.conf');
  assert.ok(configuration, diagnostics.map(renderDiagnostic).join('\n'));
  return configurationWarnings(configuration, places).map(
    ({ line, code }) => `${line} ${code.replace('POSTERN_W_', '')}`,
  );
}

describe('sections of sinks', () => {
  it('are no doors, in any case and wherever they stand; their names are told apart', () => {
    const lines = [...HOOK, '[ WEBHOOK : Ops ]', ...HOOK.slice(1), ...DOOR, ...MODULE];
    const { sinks, doors } = loads(lines.join('\n'));
    assert.deepEqual(
      sinks.map(({ name, line }) => [name, line]),
      [
        ['webhook:ops', 1],
        ['webhook:Ops', 4],
        ['module:gate', 10],
      ],
    );
    assert.deepEqual(
      doors.map(({ name }) => name),
      ['d'],
    );
  });

  it('need a name of their own that a list and a log can hold', () => {
    for (const header of [
      '[webhook:]',
      '[email: ]',
      '[module:a,b]',
      '[webhook:a\tb]',
      '[webhook:a\u202eb]',
      `[webhook:${'x'.repeat(65)}]`,
    ])
      assertSaid([header, 'url = x'], /^1:1 error POSTERN_E_CONFIG_SINK .*no name of a sink/);
    assert.equal(sinkOf(`[webhook:${'x'.repeat(64)}]`, ...HOOK.slice(1)).name.length, 72);
    assertSaid([...HOOK, ...HOOK], /^4:1 error POSTERN_E_CONFIG_SINK .*\[webhook:ops\] .*line 1/);
  });

  it('may be 256', () => {
    const many = (count: number) =>
      Array.from({ length: count }, (_, index) => [`[module:${index}]`, MODULE[1]!]).flat();
    assert.equal(loads(many(256).join('\n')).sinks.length, 256);
    assertSaid(many(257), /^513:1 error POSTERN_E_CONFIG_SINK .*257 sinks/);
  });

  it('leave a door of another such name a door, as in knockd', () => {
    for (const name of ['webhook', 'mail:x', 'webhooks:x', 'exec:x', ':x'])
      assert.equal(loads(`[${name}]\nsequence = 1,3,2\n`).doors[0]?.name, name);
  });

  it('say where a directive belongs that stands in the wrong one', () => {
    assertSaid([...HOOK, 'sequence = 1,2,3'], /^4:1 error .*Sequence belongs to a door/);
    assertSaid([...HOOK, 'state_dir = /x'], /^4:1 error .*global; move it to the \[options\]/);
    assertSaid([...HOOK, 'to = a@b'], /^4:1 error .*to belongs to a sink.*\[email:NAME\]$/);
    assertSaid([...DOOR, 'ca_file = /x'], /^4:1 .*\[webhook:NAME\] or \[email:NAME\]$/);
    assertSaid([...HOOK, 'usesyslog'], /^4:1 warning POSTERN_W_MISPLACED/);
    assert.equal(loads([...MODULE, 'usesyslog'].join('\n')).options.useSyslog, true);
  });

  it('name the nearest directive of their own kind', () => {
    assertSaid([...HOOK, 'secretfile = /x'], /^4:1 error .*did you mean secret_file\?/);
    assertSaid([...MAIL, 'fron = a@b.c'], /^5:1 error .*did you mean from\?/);
    assertSaid(['[module:x]', 'pth = /x'], /^1:1 error POSTERN_E_CONFIG_SINK .*has no path/);
  });

  it('say what is missing, once, and not where a line is in error', () => {
    assertSaid(
      ['', '[webhook:x]'],
      /^2:1 error POSTERN_E_CONFIG_SINK \[webhook:x\] has no url; add a line url = /,
      /^2:1 .*has no secret_file/,
    );
    assertSaid(['[email:x]'], /has no host/, /has no from/, /has no to;/);
    assertSaid(['[email:x]', 'url = smtp://h', 'to = a@b'], /has no from/);
    assertSaid(['[webhook:x]', 'url = ftp://x'], /^2:7 error POSTERN_E_CONFIG_VALUE url takes/);
  });

  it('warn of a line that is given again, where the last one counts', () => {
    const lines = [...HOOK, 'TIMEOUT = 5', 'timeout = 7'];
    assertSaid(lines, /^5:1 warning POSTERN_W_REPEATED timeout .*line 4/);
    assertHas(sinkOf(...lines), { timeoutMs: 7000 });
    const options = [...MODULE, 'Colour = a', 'colour = b'];
    assertSaid(options, /^4:1 warning POSTERN_W_REPEATED colour .*line 3/);
    assertHas(sinkOf(...options), { options: { colour: 'b' } });
  });
});

describe('[webhook:NAME]', () => {
  it('is read, with its defaults', () => {
    const plain = {
      ...{ kind: 'webhook', name: 'webhook:ops', line: 1, secretFile: '/s', timeoutMs: 10_000 },
      ...{ url: 'https://hooks.example.net/x', events: ['open', 'close', 'failed'] },
      privateTargets: true,
    };
    assert.deepEqual(sinkOf(...HOOK), plain);
    const lines = [
      'EVENTS = Failed ,open',
      'timeout = 0.5',
      'ca_file = /c',
      'private_targets = no',
    ];
    assert.deepEqual(sinkOf(...HOOK, ...lines, 'body = b.json'), {
      ...{ ...plain, events: ['open', 'failed'], timeoutMs: 500, privateTargets: false },
      ...{ caFile: '/c', bodyFile: 'b.json' },
    });
  });

  it('takes the URLs that can be posted to, and quotes none', () => {
    const of = (url: string) => ['[webhook:ops]', `url = ${url}`, 'secret_file = /s'];
    for (const url of [
      'http://h',
      'HTTPS://u:p@h:8443/a?b=c',
      'https://[2001:db8::1]/',
      'http://1',
    ])
      assertHas(sinkOf(...of(url)), { url });
    for (const url of [
      'tok3n',
      '',
      'ftp://h/tok3n',
      'https://',
      'https:///',
      'https://h/tok3n#x',
      'https://h/tok3n#',
      'https://h/tok3n # a comment',
      'https://h/tok3n and more',
    ]) {
      const found = said(...of(url));
      assert.match(found[0] ?? '', /^2:\d+ error POSTERN_E_CONFIG_VALUE url takes a URL /, url);
      assert.doesNotMatch(found.join(), /tok3n|tok#n/);
    }
  });

  it('says what its other values must be', () => {
    const cases: readonly (readonly [string, RegExp])[] = [
      ['events = open, shut', /^4:10 error .*open, close, failed/],
      ['events =', /^4:9 error .*open, close, failed/],
      ['events = open,', /^4:10 error /],
      ['timeout = 0', /^4:11 error .*from 0.1 to 300/],
      ['timeout = 301', /^4:11 error /],
      ['timeout = 5m', /^4:11 error /],
      ['private_targets = maybe', /^4:19 error .*yes or no/],
      ['secret_file =', /4:14 error .*path of a file/],
      ['body', /^4:1 error POSTERN_E_CONFIG_SYNTAX body needs a value/],
    ];
    for (const [line, pattern] of cases) assert.match(said(...HOOK, line).join(), pattern, line);
    assertSaid(
      ['[webhook:x]', 'url = http://h', 'secret_file = /s', 'ca_file = /c'],
      /^4:11 error POSTERN_E_CONFIG_VALUE ca_file is for TLS/,
    );
  });
});

describe('[module:NAME]', () => {
  it('is given all that postern does not know, as it stands there', () => {
    const lines = ['Timeout = 5', 'start_command = rm -rf / ; # x', 'a.b-c_1 =', 'constructor = 1'];
    assert.deepEqual(sinkOf(...MODULE, ...lines), {
      ...{ kind: 'module', name: 'module:gate', line: 1, path: '/etc/postern/gate.mjs' },
      options: {
        ...{ timeout: '5', start_command: 'rm -rf / ; # x', 'a.b-c_1': '', constructor: '1' },
      },
    });
  });

  it('takes an absolute path, and names of options that are names', () => {
    assertSaid(['[module:x]', 'path = gate.mjs'], /^2:8 error .*begins with \//);
    assertSaid([...MODULE, 'a b = 1'], /^3:1 error POSTERN_E_CONFIG_DIRECTIVE unknown/);
    assertSaid([...MODULE, '__proto__ = 1'], /^3:1 error POSTERN_E_CONFIG_DIRECTIVE unknown/);
    assertSaid([...MODULE, 'colour'], /^3:1 error POSTERN_E_CONFIG_DIRECTIVE unknown/);
    assertSaid([...MODULE, 'path /y'], /^3:1 error .*path needs a =/);
  });

  it('is never given a sequence, above which a header is missing', () => {
    assertSaid([...MODULE, 'Sequence = 1,2,3'], /^3:1 error .*Sequence belongs to a door/);
    assertSaid([...MODULE, 'one_time_sequences = /x'], /^3:1 error .*belongs to a door/);
  });
});

describe('sinks at a door', () => {
  it('are those it names, each once, wherever they stand', () => {
    const text = [...DOOR, 'sinks = WebHook:ops ,email: oncall', ...HOOK, ...MAIL].join('\n');
    assert.deepEqual(loads(text).doors[0]?.sinks, ['webhook:ops', 'email:oncall']);
    const twice = [...DOOR, 'sinks = webhook:ops, Webhook:ops', ...HOOK];
    assertSaid(twice, /^4:22 warning POSTERN_W_REPEATED sinks .*entry 2 a second time/);
    assert.deepEqual(loads(twice.join('\n')).doors[0]?.sinks, ['webhook:ops']);
    assert.deepEqual(loads(DOOR.join('\n')).doors[0]?.sinks, []);
  });

  it('must be there; the nearest one is named', () => {
    assertSaid(
      [...DOOR, 'sinks = webhook:ops, webhook:osp', ...HOOK],
      /^4:22 error POSTERN_E_CONFIG_SINK .*"webhook:osp".*did you mean webhook:ops\?/,
    );
    assertSaid(
      [...DOOR, 'sinks = module:far-away', ...HOOK],
      /^4:9 error POSTERN_E_CONFIG_SINK .*add a section with that header/,
    );
  });

  it('that are in error themselves are not said to be missing', () => {
    assertSaid([...DOOR, 'sinks = webhook:ops', '[webhook:ops]', 'url = x'], /^6:7 error .*url/);
  });

  it('are names of sinks, each', () => {
    for (const [value, pattern] of [
      ['', /^4:8 error .*nothing at entry 1/],
      ['webhook:ops,', /^4:21 error .*nothing at entry 2/],
      ['webhook:ops, exec', /^4:22 error .*"exec" at entry 2/],
      ['27000', /^4:9 error .*"#" at entry 1/],
      ['webhook:', /^4:9 error /],
    ] as const)
      assertSaid([...DOOR, `sinks = ${value}`, ...HOOK], pattern);
  });
});

describe('warnings about sinks', () => {
  const TOLD = [...DOOR, 'sinks = webhook:ops'];

  it('are not given to a door that only tells', () => {
    assert.deepEqual(warned(...TOLD, ...HOOK), []);
    assert.deepEqual(warned(...TOLD, 'cmd_timeout = 5', ...HOOK), []);
    assert.deepEqual(warned(...DOOR, 'sinks = module:gate', 'cmd_timeout = 5', ...MODULE), []);
  });

  it('name commands for everyone beside a module, which is for its source', () => {
    const shared = ['command = touch /run/x', 'stop_command = rm /run/x', 'cmd_timeout = 5'];
    const gate = [...DOOR, 'sinks = module:gate', ...shared, ...MODULE];
    assert.deepEqual(warned(...gate), ['5 SHARED_DOOR']);
    assert.equal(isShared(loads(gate.join('\n')).doors[0]!), false);
    const told = [...TOLD, ...shared, ...HOOK];
    assert.equal(isShared(loads(told.join('\n')).doors[0]!), true);
  });

  it('name a sink that no door names', () => {
    assert.deepEqual(warned(...TOLD, ...HOOK, ...MAIL), ['8 SINK']);
    assert.deepEqual(warned(...TOLD, ...HOOK, ...MAIL, ...MODULE), ['8 SINK', '12 SINK']);
  });

  it('name a Cmd_Timeout that nobody is told of, and a stop that never runs', () => {
    const quiet = [...HOOK, 'events = open, failed'];
    assert.deepEqual(warned(...TOLD, 'cmd_timeout = 5', ...quiet), ['5 TIMEOUT']);
    assert.deepEqual(warned(...TOLD, 'stop_command = x', 'cmd_timeout = 5', ...HOOK), [
      '5 NO_COMMAND',
    ]);
  });

  it('name a URL that can be read on the way, unless it stays on this host', () => {
    const to = (url: string) => warned(...TOLD, HOOK[0]!, `url = ${url}`, HOOK[2]!);
    for (const url of [
      'http://127.0.0.1:8080/',
      'http://LOCALHOST/',
      'http://[::1]/',
      'http://127.1',
    ])
      assert.deepEqual(to(url), [], url);
    for (const url of [
      'http://hooks.example.net/',
      'http://10.0.0.1/',
      'http://localhost.example/',
    ])
      assert.deepEqual(to(url), ['6 SINK'], url);
  });
});

describe('a configuration with sinks that is written out', () => {
  const path = fc.stringMatching(/^[a-z0-9._/-]{1,20}$/);
  const events = fc.subarray(['open', 'close', 'failed'] as const, { minLength: 1 });
  const webhook = fc.record({ path, events, timeoutMs: fc.integer({ min: 100, max: 300_000 }) });

  it('is read back as what it was', () => {
    fc.assert(
      fc.property(fc.array(webhook, { maxLength: 5 }), (hooks) => {
        const lines = hooks.flatMap((hook, index) => [
          `[webhook:w ${index}]`,
          `url = https://h/${hook.path}`,
          `secret_file = ${hook.path}`,
          `events =${hook.events.toReversed().join(' , ')}`,
          `timeout = ${hook.timeoutMs / 1000} s`,
        ]);
        assert.deepEqual(
          loads(lines.join('\n')).sinks,
          hooks.map(({ path: file, ...hook }, index) => ({
            ...{ kind: 'webhook', name: `webhook:w ${index}`, line: 5 * index + 1 },
            ...{ url: `https://h/${file}`, secretFile: file, privateTargets: true, ...hook },
          })),
        );
      }),
    );
  });
});
