/** A knock sequence: `7000,7001:udp,7002:tcp`. Messages name a knock by its position, never its port. */
import type { Knock, Protocol } from '../machines/types.js';
import { quoted } from './diagnostics.js';
import { indent, trim } from './lines.js';
import { ignoredText, type Reading, type Remark } from './reading.js';
import { atoi } from './values.js';

/** knockd's SEQ_MAX. */
const MAX_KNOCKS = 32;
const A_PORT = 'a port is a number from 1 to 65535';

/**
 * Reads a sequence of 1 to 32 knocks, each a port from 1 to 65535 and a protocol, TCP unless said.
 * Ports are read as atoi() does, so text behind one is ignored, with a warning; but where atoi()
 * makes 0 of what is no number, that is an error.
 */
export function readSequence(text: string): Reading<readonly Knock[]> {
  const errors: Remark[] = [];
  const warnings: Remark[] = [];
  const knocks: Knock[] = [];
  let offset = 0;
  const tokens = text.split(',');
  for (const [index, token] of tokens.slice(0, MAX_KNOCKS).entries()) {
    const reading = readKnock(token, index + 1);
    errors.push(...shift(reading.errors, offset));
    warnings.push(...shift(reading.warnings, offset));
    if (reading.value) knocks.push(reading.value);
    offset += token.length + 1;
  }
  if (tokens.length > MAX_KNOCKS)
    errors.push(error(`has ${tokens.length} knocks; it may have ${MAX_KNOCKS} at most`, offset));
  return errors.length > 0 ? { errors, warnings } : { value: knocks, errors, warnings };
}

function readKnock(token: string, position: number): Reading<Knock> {
  const [portText = '', protocolText, ...extra] = token.split(':');
  const offset = indent(token);
  const port = atoi(portText);
  if (!port) return failed(notAPort(portText, position), offset);
  if (port.number < 1 || port.number > 65_535)
    return failed(`has a port out of range at knock ${position}; ${A_PORT}`, offset);
  const protocol = readProtocol(protocolText);
  const protocolOffset = portText.length + 1;
  if (!protocol)
    return failed(
      `has an unknown protocol ${quoted(trim(protocolText ?? ''))} at knock ${position}; write tcp or udp`,
      protocolOffset + indent(protocolText ?? ''),
    );
  const warnings: Remark[] = [];
  if (port.rest) warnings.push(ignored(port.rest, position, port.restOffset));
  if (extra.length > 0) {
    const extraOffset = protocolOffset + (protocolText ?? '').length;
    warnings.push(ignored(`:${extra.join(':')}`, position, extraOffset));
  }
  return { value: { port: port.number, protocol }, errors: [], warnings };
}

function notAPort(text: string, position: number): string {
  const what = trim(text);
  if (what === '') return `has nothing at knock ${position} (a comma too many?); ${A_PORT}`;
  return `has ${quoted(what)} at knock ${position}; ${A_PORT}`;
}

function readProtocol(text: string | undefined): Protocol | undefined {
  const word = text === undefined ? 'tcp' : trim(text).toLowerCase();
  return word === 'tcp' || word === 'udp' ? word : undefined;
}

function error(message: string, offset: number): Remark {
  return { code: 'POSTERN_E_CONFIG_SEQUENCE', offset, message };
}

function failed(message: string, offset: number): Reading<Knock> {
  return { errors: [error(message, offset)], warnings: [] };
}

function ignored(text: string, position: number, offset: number): Remark {
  return ignoredText(text, offset, ` at knock ${position}`);
}

function shift(remarks: readonly Remark[], offset: number): Remark[] {
  return remarks.map((remark) => ({ ...remark, offset: remark.offset + offset }));
}

export function sameKnocks(one: readonly Knock[], other: readonly Knock[]): boolean {
  return one.length === other.length && one.every((knock, index) => sameKnock(knock, other[index]));
}

export function sameKnock(one: Knock, other: Knock | undefined): boolean {
  return one.port === other?.port && one.protocol === other.protocol;
}
