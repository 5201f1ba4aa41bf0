/** Warnings about sinks, and what sinks mean for other warnings. */
import type { SinkSettings } from '../sinks/settings.js';
import { type Findings, WHOLE_FILE } from './diagnostics.js';
import type { Places } from './parse.js';
import { isLoopback } from './sink-values.js';
import type { Configuration, Door } from './types.js';

export function warnOfSinks(
  { sinks, doors }: Configuration,
  places: Places,
  findings: Findings,
): void {
  const used = new Set(doors.flatMap((door) => door.sinks));
  for (const sink of sinks) {
    const header = { line: sink.line, column: 0 };
    if (!used.has(sink.name)) {
      const message = `no door names the sink [${sink.name}]; add sinks = ${sink.name} to one`;
      findings.warning('POSTERN_W_SINK', header, message);
    }
    if (sink.kind === 'webhook' && isReadable(sink.url)) {
      const message =
        `what [${sink.name}] tells of a knock, and the secrets in its URL, can be read on the way; ` +
        'use https, with ca_file for a certificate of your own';
      const place = places.get(sink.name)?.get('url') ?? WHOLE_FILE;
      findings.warning('POSTERN_W_SINK', place, message);
    }
  }
}

function isReadable(text: string): boolean {
  const { protocol, hostname } = new URL(text);
  return protocol === 'http:' && !isLoopback(hostname.replace(/^\[|\]$/g, ''));
}

/** Whether a sink of the door's may have something to do when it closes; of a module nobody knows. */
export function sinksMayClose(door: Door, sinks: readonly SinkSettings[]): boolean {
  return sinks.some(
    (sink) =>
      door.sinks.includes(sink.name) && (sink.kind === 'module' || sink.events.includes('close')),
  );
}
