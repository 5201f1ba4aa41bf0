/** T9: nothing that is said about a configuration holds a port of a sequence. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { renderDiagnostic } from '../../config/diagnostics.js';
import { parseConfiguration } from '../../config/parse.js';
import { configurationWarnings } from '../../config/warnings.js';

/** Five digits, so that no line number, column or bound happens to be one of them. */
const port = fc.integer({ min: 10_000, max: 65_534 });
const word = fc.constantFrom('abc', ':udp', ':tpc', ' # last', '-', '\t', 'x', '', ',', ';', ' 0');
const knock = fc
  .tuple(fc.constantFrom('', ' ', 'x', '-', '+'), port, word)
  .map((all) => all.join(''));
const sequence = fc.array(knock, { maxLength: 35 }).map((knocks) => knocks.join(','));

/** Places where a sequence ends up by right or by mistake. */
const line = fc
  .tuple(
    fc.constantFrom(
      'sequence = ',
      'sequence ',
      'sequence: ',
      'one_time_sequences = ',
      'seq_timeout = 5 # ',
      'cmd_timeout = ',
      'tcpflags = ',
      'target = ',
      'command = iptables -A INPUT -p tcp --dport ',
      'stop_command = iptables -D INPUT 1; knock ',
      'reknock = ',
      'allow = ',
      'nft_table = inet ',
      'nft_table = ',
      'stop_retries = ',
      'max_sources = ',
      'ignore_ports = ',
      'capture_buffer = ',
      'local_redis = ',
      'sensor_user = ',
      'state_dir = ',
      'cluster = ',
      'host = ',
      'redis = ',
      'redis = redis://:',
      'redis_password_file = ',
      'redis_wait = ',
      'clock_tolerance = ',
      'run_on = ',
      'sinks = ',
      'sinks = webhook:',
      'url = ',
      'url = https://h/#',
      'url = smtp://me:',
      'secret_file = ',
      'timeout = ',
      'events = ',
      'port = ',
      'user = ',
      'from = ',
      'to = a@b, ',
      'tls = ',
      'path = ',
      '',
      '[',
      '= ',
    ),
    sequence,
  )
  .map((all) => all.join(''));

/** Names of interfaces begin with a letter and are shown; numbers in their place are not. */
const interfaces = fc.array(port).map((ports) => `interface = ${ports.join(', ')}`);

const section = fc
  .tuple(
    fc.constantFrom(
      ...['[door]', '[options]', '[other]', '', '[webhook:a]', '[email:b]', '[module:c]'],
    ),
    fc.array(fc.oneof({ arbitrary: line, weight: 9 }, interfaces), { maxLength: 6 }),
  )
  .map(([header, lines]) => [header, ...lines].join('\n'));

/** Numbers that messages hold by themselves: bounds and defaults. */
const OWN = new Set(['65535', '131072', '1048576', '16777216', '4194304', '100000000']);

function saidOf(text: string): readonly string[] {
  const { configuration, diagnostics, places } = parseConfiguration(text, 'file.conf');
  const host = { isListening: () => true, interfaces: [] };
  const warnings = configuration ? configurationWarnings(configuration, places, host) : [];
  return [...diagnostics, ...warnings].map(renderDiagnostic);
}

function assertNoPorts(text: string): void {
  for (const said of saidOf(text))
    for (const number of said.match(/\d{5,}/g) ?? [])
      assert.ok(OWN.has(number) || !text.includes(number), `${said}\n${text}`);
}

describe('what is said about a configuration', () => {
  it('never holds a port of a sequence, wherever the operator wrote it', () => {
    fc.assert(
      fc.property(fc.array(section, { maxLength: 4 }), (sections) => {
        assertNoPorts(sections.join('\n'));
      }),
      { numRuns: 500 },
    );
  });

  it('never holds a port of a sequence that loads, with every warning there is', () => {
    const doors = fc.array(fc.array(port, { minLength: 1, maxLength: 5 }), {
      minLength: 1,
      maxLength: 3,
    });
    fc.assert(
      fc.property(doors, (all) => {
        const text = all.map((ports) => `[door]\nsequence = ${ports} # last\nstop_command = x\n`);
        assert.ok(saidOf(text.join('')).length > 3 * all.length);
        assertNoPorts(text.join(''));
      }),
    );
  });

  it('is said of any text at all, without throwing', () => {
    const pieces = fc.oneof(
      line,
      fc.string({ unit: 'binary' }),
      fc.constantFrom('[', ']', '[d]', '\n', '\r', '='),
    );
    fc.assert(
      fc.property(fc.array(pieces), fc.constantFrom('', '\n'), (texts, glue) => {
        const text = texts.join(glue);
        const { configuration, diagnostics } = parseConfiguration(text, 'file.conf');
        const errors = diagnostics.filter(({ severity }) => severity === 'error');
        assert.equal(configuration === undefined, errors.length > 0);
        for (const { line: at, column } of diagnostics) {
          assert.ok(at >= 0 && at <= text.split('\n').length);
          assert.ok(column >= 0 && column <= (text.split('\n')[at - 1]?.length ?? 0) + 1);
        }
      }),
      { numRuns: 500 },
    );
  });
});
