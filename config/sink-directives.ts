/** The directives of [webhook:NAME], [email:NAME] and [module:NAME], their defaults and bounds. */
import type { EmailSettings, ModuleSettings, WebhookSettings } from '../sinks/settings.js';
import type { Directive } from './directives.js';
import type { SinkKind } from './sink-names.js';
import {
  ALL_EVENTS,
  filePath,
  type MailServer,
  mailbox,
  mailboxes,
  mailHost,
  mailServer,
  secondsWithin,
  sinkEvents,
  webhookUrl,
} from './sink-values.js';
import { absolutePath, nonEmpty, oneOf, part, wholeNumber, yesOrNo } from './values.js';

/** `Needed` is what a section must say, or what follows from all that it says. */
type Draft<Settings, Needed extends keyof Settings> = Omit<
  Settings,
  'kind' | 'name' | 'line' | Needed
> &
  Partial<Pick<Settings, Needed>>;

/** Sections being read; what they must have is seen at their end. */
export type WebhookDraft = Draft<WebhookSettings, 'url' | 'secretFile'>;
export type EmailDraft = Draft<EmailSettings, 'host' | 'port' | 'tls' | 'from' | 'to'> & {
  readonly server?: MailServer;
};
export type ModuleDraft = Draft<ModuleSettings, 'path'>;

/**
 * Addresses that are not public are allowed: the URL is root's own, whom nobody has to be protected
 * from, and the receivers of a bastion mostly stand inside.
 */
export const EMPTY_WEBHOOK: WebhookDraft = {
  events: ALL_EVENTS,
  timeoutMs: 10_000,
  privateTargets: true,
};

/** A message for each closing as well would only teach people to look away. */
export const EMPTY_EMAIL: EmailDraft = { events: ['open', 'failed'], collectMs: 60_000 };

export const EMPTY_MODULE: ModuleDraft = { options: {} };

export const WEBHOOK_DIRECTIVES: readonly Directive<WebhookDraft>[] = [
  { name: 'url', read: part(webhookUrl, (url) => ({ url })) },
  { name: 'secret_file', read: part(filePath, (secretFile) => ({ secretFile })) },
  { name: 'events', read: part(sinkEvents, (events) => ({ events })) },
  { name: 'timeout', read: part(secondsWithin(0.1, 300), (timeoutMs) => ({ timeoutMs })) },
  { name: 'ca_file', read: part(filePath, (caFile) => ({ caFile })) },
  { name: 'private_targets', read: part(yesOrNo, (privateTargets) => ({ privateTargets })) },
  { name: 'body', read: part(filePath, (bodyFile) => ({ bodyFile })) },
];

export const EMAIL_DIRECTIVES: readonly Directive<EmailDraft>[] = [
  { name: 'url', read: part(mailServer, (server) => ({ server })) },
  { name: 'host', read: part(mailHost, (host) => ({ host })) },
  { name: 'port', read: part(wholeNumber(1, 65_535), (port) => ({ port })) },
  { name: 'user', read: part(nonEmpty('the name of a user'), (user) => ({ user })) },
  { name: 'password_file', read: part(filePath, (passwordFile) => ({ passwordFile })) },
  { name: 'tls', read: part(oneOf('starttls', 'implicit', 'off'), (tls) => ({ tls })) },
  { name: 'ca_file', read: part(filePath, (caFile) => ({ caFile })) },
  { name: 'from', read: part(mailbox, (from) => ({ from })) },
  { name: 'to', read: part(mailboxes, (to) => ({ to })) },
  { name: 'events', read: part(sinkEvents, (events) => ({ events })) },
  { name: 'collect', read: part(secondsWithin(0, 3600), (collectMs) => ({ collectMs })) },
  { name: 'subject', read: part(filePath, (subjectFile) => ({ subjectFile })) },
  { name: 'text', read: part(filePath, (textFile) => ({ textFile })) },
  { name: 'html', read: part(filePath, (htmlFile) => ({ htmlFile })) },
];

/** All that a section of a module says besides is the module's own affair. */
export const MODULE_DIRECTIVES: readonly Directive<ModuleDraft>[] = [
  { name: 'path', read: part(absolutePath, (path) => ({ path })) },
];

type Named = Pick<Directive<never>, 'name' | 'aliases'>;

export const SINK_DIRECTIVES: Readonly<Record<SinkKind, readonly Named[]>> = {
  webhook: WEBHOOK_DIRECTIVES,
  email: EMAIL_DIRECTIVES,
  module: MODULE_DIRECTIVES,
};
