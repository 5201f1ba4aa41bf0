/** From the lines of a sink's section to its settings: what they must say, and what goes together. */
import type {
  EmailSettings,
  ModuleSettings,
  SinkSettings,
  WebhookSettings,
} from '../sinks/settings.js';
import { type Findings, hasErrors, type Place, WHOLE_FILE } from './diagnostics.js';
import { type Directive, findDirective } from './directives.js';
import type { DirectiveLine, Section } from './lines.js';
import { readDirectives } from './read-directives.js';
import { good } from './reading.js';
import {
  EMAIL_DIRECTIVES,
  EMPTY_EMAIL,
  EMPTY_MODULE,
  EMPTY_WEBHOOK,
  type EmailDraft,
  MODULE_DIRECTIVES,
  type ModuleDraft,
  WEBHOOK_DIRECTIVES,
} from './sink-directives.js';
import type { SinkKind } from './sink-names.js';
import { isLoopback } from './sink-values.js';

type Seen = Map<string, Place>;

/** The settings; undefined, with errors in `findings`, when something is missing. */
export function readSettings(
  kind: SinkKind,
  name: string,
  { line, column, directives }: Section,
  seen: Seen,
  findings: Findings,
): SinkSettings | undefined {
  const before = findings.list.length;
  const settings = READERS[kind]({ name, line }, directives, seen, findings);
  // A line in error may be what is missing: then that line says enough.
  if (settings === undefined && !hasErrors(findings.list.slice(before)))
    reportMissing(kind, name, { line, column }, seen, findings);
  return settings;
}

interface Header {
  readonly name: string;
  readonly line: number;
}

type Reader = (
  header: Header,
  lines: readonly DirectiveLine[],
  seen: Seen,
  findings: Findings,
) => SinkSettings | undefined;

const READERS: Readonly<Record<SinkKind, Reader>> = {
  webhook(header, lines, seen, findings): WebhookSettings | undefined {
    const draft = readDirectives(lines, WEBHOOK_DIRECTIVES, EMPTY_WEBHOOK, seen, findings);
    const { url, secretFile } = draft;
    const place = seen.get('ca_file');
    if (place !== undefined && url !== undefined && !/^https:/i.test(url)) {
      const message = 'ca_file is for TLS; write url = https://… as well, or remove it';
      findings.error('POSTERN_E_CONFIG_VALUE', place, message);
    }
    if (url === undefined || secretFile === undefined) return undefined;
    return { kind: 'webhook', ...header, ...draft, url, secretFile };
  },

  email(header, lines, seen, findings): EmailSettings | undefined {
    const draft = readDirectives(lines, EMAIL_DIRECTIVES, EMPTY_EMAIL, seen, findings);
    for (const [directive, message] of problemsOf(draft))
      findings.error('POSTERN_E_CONFIG_VALUE', seen.get(directive) ?? WHOLE_FILE, message);
    const { server, from, to, host = server?.host, ...rest } = draft;
    if (host === undefined || from === undefined || to === undefined) return undefined;
    const tls = tlsOf(draft);
    const port = draft.port ?? server?.port ?? PORTS[tls];
    const user = draft.user ?? server?.user;
    return { kind: 'email', ...header, ...rest, host, port, tls, ...(user && { user }), from, to };
  },

  module(header, lines, seen, findings): ModuleSettings | undefined {
    const known = [...MODULE_DIRECTIVES, ...optionsIn(lines)];
    const { path, options } = readDirectives(lines, known, EMPTY_MODULE, seen, findings);
    return path === undefined ? undefined : { kind: 'module', ...header, path, options };
  },
};

/** Submission over TLS, submission, and a relay on this host (RFC 8314, RFC 6409, RFC 5321). */
const PORTS: Readonly<Record<EmailSettings['tls'], number>> = {
  implicit: 465,
  starttls: 587,
  off: 25,
};

function tlsOf({ tls, server, port = server?.port }: EmailDraft): EmailSettings['tls'] {
  return tls ?? (server?.isImplicit || port === PORTS.implicit ? 'implicit' : 'starttls');
}

/** What does not go together, with the directive that says it. */
function* problemsOf(draft: EmailDraft): Generator<readonly [directive: string, message: string]> {
  const { server, host = server?.host, port, tls } = draft;
  if (server !== undefined && draft.host !== undefined)
    yield ['host', 'host stands in url too; keep one of them'];
  if (server?.port !== undefined && port !== undefined)
    yield ['port', 'port stands in url too; keep one of them'];
  if (server?.user !== undefined && draft.user !== undefined)
    yield ['user', 'user stands in url too; keep one of them'];
  const user = draft.user ?? server?.user;
  if (user !== undefined && draft.passwordFile === undefined)
    yield [
      draft.user === undefined ? 'url' : 'user',
      'a user needs a password; add password_file = FILE',
    ];
  if (user === undefined && draft.passwordFile !== undefined)
    yield ['password_file', "password_file is a user's; add user = NAME, or remove it"];
  if (server?.isImplicit === true && tls !== undefined && tls !== 'implicit')
    yield ['tls', 'tls contradicts url, where smtps is TLS from the first byte; write smtp://…'];
  if (tls === 'off' && host !== undefined && !isLoopback(host))
    yield [
      'tls',
      'tls = off is for a relay on this host alone (localhost, 127.0.0.1, ::1); what goes to another ' +
        'is encrypted: tls = starttls, or implicit',
    ];
  if (tls === 'off' && draft.caFile !== undefined)
    yield ['ca_file', 'ca_file is for TLS, and tls = off; remove one of them'];
}

const OPTION_NAME = /^[a-z][a-z0-9_.-]{0,63}$/i;
const SEQUENCES = /^(?:sequence|one_time_sequences)$/i;

/**
 * What postern does not know in a section of a module is an option of the module's; but not a
 * sequence, above which the header of a door is missing.
 */
function optionsIn(lines: readonly DirectiveLine[]): readonly Directive<ModuleDraft>[] {
  const names = lines
    .filter(({ key, value }) => OPTION_NAME.test(key) && value !== undefined)
    .filter(({ key }) => !SEQUENCES.test(key) && !findDirective(MODULE_DIRECTIVES, key))
    .map(({ key }) => key.toLowerCase());
  return [...new Set(names)].map((name) => ({
    name,
    read: (text, { options }) => good({ options: { ...options, [name]: text } }),
  }));
}

/** What a section cannot do without, with an example. */
const NEEDED: Readonly<Record<SinkKind, readonly (readonly [string, string])[]>> = {
  webhook: [
    ['url', 'https://hooks.example.net/postern'],
    ['secret_file', '/etc/postern/ops.secret'],
  ],
  email: [
    ['host', 'mail.example.net'],
    ['from', 'postern@example.net'],
    ['to', 'ops@example.net'],
  ],
  module: [['path', '/etc/postern/gate.mjs']],
};

function reportMissing(
  kind: SinkKind,
  name: string,
  place: Place,
  seen: ReadonlyMap<string, Place>,
  findings: Findings,
): void {
  for (const [directive, example] of NEEDED[kind]) {
    if (seen.has(directive) || (directive === 'host' && seen.has('url'))) continue;
    const message = `[${name}] has no ${directive}; add a line ${directive} = ${example}`;
    findings.error('POSTERN_E_CONFIG_SINK', place, message);
  }
}
