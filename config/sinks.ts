/** The sections [webhook:NAME], [email:NAME] and [module:NAME]: sinks that doors name. */
import type { SinkSettings } from '../sinks/settings.js';
import { type Findings, hasErrors, type Place, quoted } from './diagnostics.js';
import type { Section } from './lines.js';
import { sinkKindOf, sinkNameOf } from './sink-names.js';
import { readSettings } from './sink-settings.js';

/** Far more than anybody has; each is loaded at every start. */
const MAX_SINKS = 256;

export interface ReadSinks {
  readonly sinks: readonly SinkSettings[];
  /** Also of those in error, about which their own lines say enough. */
  readonly names: ReadonlySet<string>;
}

/** Whether a section is a sink, or is meant as one, and so is no door. */
export function isSinkSection({ name }: Section): boolean {
  return sinkKindOf(name) !== undefined;
}

/** Reads the sections that are sinks; `places` learns where their directives stand. */
export function readSinks(
  sections: readonly Section[],
  places: Map<string, ReadonlyMap<string, Place>>,
  findings: Findings,
): ReadSinks {
  const named = new Map<string, Section>();
  const all = sections.filter(isSinkSection);
  const surplus = all[MAX_SINKS];
  if (surplus !== undefined) {
    const message = `the file has ${all.length} sinks; it may have ${MAX_SINKS} at most`;
    findings.error('POSTERN_E_CONFIG_SINK', surplus, message);
  }
  const sinks = all.slice(0, MAX_SINKS).flatMap((section) => {
    const name = newName(section, named, findings);
    if (name === undefined) return [];
    named.set(name, section);
    return readSink(name, section, places, findings) ?? [];
  });
  return { sinks, names: new Set(named.keys()) };
}

/** The sink's name; undefined, and said, when it can have none or another one has it. */
function newName(
  section: Section,
  taken: ReadonlyMap<string, Section>,
  findings: Findings,
): string | undefined {
  const name = sinkNameOf(section.name);
  const earlier = taken.get(name ?? '');
  if (name !== undefined && earlier === undefined) return name;
  const message = earlier
    ? `there is a sink [${name}] already, at line ${earlier.line}; give this one another name`
    : `${quoted(section.name)} is no name of a sink: behind the : there must be 1 to 64 characters, ` +
      'no comma and no control character among them, as in [webhook:ops]';
  findings.error('POSTERN_E_CONFIG_SINK', section, message);
  return undefined;
}

/** What the section says; undefined when anything in it is in error, which is said. */
function readSink(
  name: string,
  section: Section,
  places: Map<string, ReadonlyMap<string, Place>>,
  findings: Findings,
): SinkSettings | undefined {
  const seen = new Map<string, Place>();
  places.set(name, seen);
  const before = findings.list.length;
  const kind = sinkKindOf(section.name);
  const settings = kind && readSettings(kind, name, section, seen, findings);
  return hasErrors(findings.list.slice(before)) ? undefined : settings;
}
