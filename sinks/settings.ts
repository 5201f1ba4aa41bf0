/** What the sections [webhook:NAME], [email:NAME] and [module:NAME] of a configuration say. */

/** What a sink that tells others can be told of. */
export type SinkEvent = 'open' | 'close' | 'failed';

interface SectionSettings {
  /** As doors name it and the journal knows it: `webhook:ops`. */
  readonly name: string;
  /** 1-based line of the section header. */
  readonly line: number;
}

export interface WebhookSettings extends SectionSettings {
  readonly kind: 'webhook';
  /** http or https. Its user info and query are secrets: never in a log or an error. */
  readonly url: string;
  /** File with the signing secret (Standard Webhooks: `whsec_` and base64). */
  readonly secretFile: string;
  readonly events: readonly SinkEvent[];
  /** Of one attempt. */
  readonly timeoutMs: number;
  /** Certificates that sign the receiver's. Absent: those of the system. */
  readonly caFile?: string;
  /** `no`: addresses that are not public are never connected to (T16). */
  readonly privateTargets: boolean;
  /** Template of the body. Absent: the JSON that docs/sinks.md describes. */
  readonly bodyFile?: string;
}

export interface EmailSettings extends SectionSettings {
  readonly kind: 'email';
  readonly host: string;
  readonly port: number;
  /** `implicit`: TLS from the first byte (465). `starttls`: required before anything else. */
  readonly tls: 'implicit' | 'starttls' | 'off';
  readonly caFile?: string;
  readonly user?: string;
  readonly passwordFile?: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly events: readonly SinkEvent[];
  /** Grants of one door within this time become one message. */
  readonly collectMs: number;
  /** Templates. Absent: postern's own. */
  readonly subjectFile?: string;
  readonly textFile?: string;
  readonly htmlFile?: string;
}

export interface ModuleSettings extends SectionSettings {
  readonly kind: 'module';
  /** Absolute path of an ES module of the user's. */
  readonly path: string;
  /** The other directives of the section, by name in lower case: what the module is given. */
  readonly options: Readonly<Record<string, string>>;
}

export type SinkSettings = WebhookSettings | EmailSettings | ModuleSettings;
