/** Readers of single values: text of a directive in, typed value or the reason there is none out. */
import { isIP } from 'node:net';
import { isAbsolute } from 'node:path';
import { canonicalAddress } from './address.js';
import { indent, trim } from './lines.js';
import { bad, good, ignoredText, map, type Reading } from './reading.js';
import type { PortRange } from './types.js';

/** Longer times are cut to this: ten years still fit the delays of a queue exactly. */
const MAX_SECONDS = 10 * 365 * 86_400;

interface LeadingNumber {
  readonly number: number;
  /** Text behind the number, trimmed; empty if none. */
  readonly rest: string;
  readonly restOffset: number;
}

/** What C's atoi() makes of a text; undefined where it would make 0 of no number at all. */
export function atoi(text: string): LeadingNumber | undefined {
  const found = /^[ \t\n\v\f\r]*([+-]?[0-9]+)/.exec(text);
  if (!found?.[1]) return undefined;
  const behind = text.slice(found[0].length);
  const restOffset = found[0].length + indent(behind);
  return { number: Number(found[1]), rest: trim(behind), restOffset };
}

/** knockd's times: whole seconds as atoi() reads them, may be negative. Gives milliseconds. */
export function atoiSeconds(text: string): Reading<number> {
  const read = atoi(text);
  if (!read) return bad('takes a whole number of seconds, such as 15');
  const seconds = Math.min(read.number, MAX_SECONDS);
  return good(seconds * 1000, read.rest ? [ignoredText(read.rest, read.restOffset)] : []);
}

/** `Cmd_Timeout`. A negative one makes knockd sleep for a lifetime; here it is ten years. */
export function openTime(text: string): Reading<number> {
  const reading = atoiSeconds(text);
  if (reading.value === undefined || reading.value >= 0) return reading;
  const message = 'is negative, which keeps the door open for ever in effect, as in knockd';
  const warning = { code: 'POSTERN_W_TIMEOUT', offset: 0, message } as const;
  return good(MAX_SECONDS * 1000, [...reading.warnings, warning]);
}

/** Seconds with decimals, zero or more. Gives milliseconds. */
export function seconds(text: string): Reading<number> {
  const found = /^([0-9]+(?:\.[0-9]+)?)(?: ?s)?$/.exec(text);
  if (!found) return bad('takes a number of seconds, such as 60 or 0.5');
  return good(Math.round(Math.min(Number(found[1]), MAX_SECONDS) * 1000));
}

/** Seconds with decimals, more than zero. Gives milliseconds. */
export function someSeconds(text: string): Reading<number> {
  const reading = seconds(text);
  return reading.value === 0 ? bad('must be more than 0 seconds, such as 60') : reading;
}

/** A whole number within bounds, both allowed. */
export function wholeNumber(least: number, most: number): (text: string) => Reading<number> {
  return (text) => {
    const number = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (number >= least && number <= most) return good(number);
    return bad(`takes a whole number from ${least} to ${most}`);
  };
}

/** `off`, or a whole number from zero to a bound. */
export function limitOrOff(most: number): (text: string) => Reading<number | 'off'> {
  return (text) => {
    if (text.toLowerCase() === 'off') return good('off');
    const reading = wholeNumber(0, most)(text);
    if (reading.value !== undefined) return reading;
    return bad(`takes "off" or a whole number from 0 to ${most}`);
  };
}

export function yesOrNo(text: string): Reading<boolean> {
  const word = text.toLowerCase();
  if (['yes', 'on', 'true', '1'].includes(word)) return good(true);
  if (['no', 'off', 'false', '0'].includes(word)) return good(false);
  return bad('takes yes or no (or on, off)');
}

/** One of some words, case-insensitive. */
export function oneOf<T extends string>(...words: readonly T[]): (text: string) => Reading<T> {
  return (text) => {
    const word = words.find((candidate) => candidate === text.toLowerCase());
    return word === undefined ? bad(`takes one of: ${words.join(', ')}`) : good(word);
  };
}

const KIB = 1024;
const MIB = 1024 * KIB;
const UNITS: Readonly<Record<string, number>> = { K: KIB, M: MIB };

/** A size with an optional K or M (of 1,024). Gives bytes. */
export function byteSize(least: number, most: number): (text: string) => Reading<number> {
  return (text) => {
    const found = /^([0-9]{1,12}) ?([KM]?)$/i.exec(text);
    const unit = UNITS[(found?.[2] ?? '').toUpperCase()] ?? 1;
    const bytes = found ? Number(found[1]) * unit : Number.NaN;
    if (bytes >= least && bytes <= most) return good(bytes);
    return bad(`takes a size from ${least / KIB}K to ${most / MIB}M, such as 4M`);
  };
}

/** Ports and ranges: `123, 5000-5010`. Empty: none. */
export function portRanges(text: string): Reading<readonly PortRange[]> {
  const ranges: PortRange[] = [];
  for (const part of text.split(/[,\s]+/).filter(Boolean)) {
    const found = /^([0-9]{1,5})(?:-([0-9]{1,5}))?$/.exec(part);
    const from = Number(found?.[1] ?? 0);
    const to = Number(found?.[2] ?? from);
    if (from < 1 || to > 65_535 || from > to)
      return bad('takes ports from 1 to 65535 and ranges of them (low-high), separated by commas');
    ranges.push({ from, to });
  }
  return good(ranges);
}

/** Interface names, separated by commas; the kernel takes at most 15 characters. Empty: none given. */
export function interfaceNames(text: string): Reading<readonly string[]> {
  const names = text.split(',').map(trim).filter(Boolean);
  const wrong = names.find((name) => !/^[^\s/:]{1,15}$/.test(name) || /^\.\.?$/.test(name));
  if (wrong !== undefined)
    return bad('takes names of interfaces such as eth0 (not /dev/eth0), separated by commas');
  return good([...new Set(names)]);
}

/** An IP address. Gives its canonical text. */
export function address(text: string): Reading<string> {
  const canonical = canonicalAddress(text);
  if (canonical !== undefined) return good(canonical);
  const hint = isIP(text.split('/')[0] ?? '') ? ', without a prefix length' : '';
  return bad(`takes an IPv4 or IPv6 address (no host name)${hint}`);
}

export function absolutePath(text: string): Reading<string> {
  return isAbsolute(text) ? good(text) : bad('takes a path that begins with /');
}

/** The value as it is, also empty. */
export function verbatim(text: string): Reading<string> {
  return good(text);
}

export function nonEmpty(what: string): (text: string) => Reading<string> {
  return (text) => (text === '' ? bad(`takes ${what}`) : good(text));
}

export function userName(text: string): Reading<string> {
  return /^[A-Za-z0-9_][A-Za-z0-9_.-]*\$?$/.test(text) ? good(text) : bad('takes a user name');
}

const REDIS_SCHEMES = ['redis:', 'rediss:', 'unix:'];

/** A Redis URL. It may hold a password, so it is never shown. */
export function redisUrl(text: string): Reading<string> {
  const scheme = URL.canParse(text) ? new URL(text).protocol : '';
  const reading = REDIS_SCHEMES.includes(scheme) ? good(text) : undefined;
  return reading ?? bad('takes a URL such as redis://127.0.0.1:6379/0 or unix:///run/redis.sock');
}

/** Reads with one reader and wraps the value into a part of a larger one. */
export function part<T, P>(
  read: (text: string) => Reading<T>,
  make: (value: T) => P,
): (text: string) => Reading<P> {
  return (text) => map(read(text), make);
}
