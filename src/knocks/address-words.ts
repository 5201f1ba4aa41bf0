import { addressText } from '../capture/address.js';

/** An address as four 32-bit words (IPv4 as ::ffff:a.b.c.d): the key of a compact table. */
export type AddressWords = Uint32Array;

/**
 * Reads canonical address text into `words`. The text comes from the packet parser, so it is well
 * formed; IPv6 is RFC 5952, without a zone. Nothing is allocated: this runs for every first knock.
 */
export function addressWords(text: string, words: AddressWords): void {
  if (!text.includes(':')) {
    words[0] = 0;
    words[1] = 0;
    words[2] = 0xffff;
    words[3] = dottedQuad(text);
    return;
  }
  words.fill(0);
  const gap = readForward(text, words);
  if (gap >= 0) readBackward(text, gap, words);
}

const COLON = 58;

/** The groups before `::`, whose place is returned; all eight and -1 where there is none. */
function readForward(text: string, words: AddressWords): number {
  let index = 0;
  let value = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code !== COLON) {
      value = value * 16 + hexDigit(code);
      continue;
    }
    if (at > 0) setGroup(words, index++, value);
    if (at === 0 || text.charCodeAt(at + 1) === COLON) return at;
    value = 0;
  }
  setGroup(words, index, value);
  return -1;
}

/** The groups behind `::`, from the last one. */
function readBackward(text: string, gap: number, words: AddressWords): void {
  let index = 7;
  let value = 0;
  let scale = 1;
  for (let at = text.length - 1; at > gap + 1; at--) {
    const code = text.charCodeAt(at);
    if (code === COLON) {
      setGroup(words, index--, value);
      value = 0;
      scale = 1;
    } else {
      value += hexDigit(code) * scale;
      scale *= 16;
    }
  }
  setGroup(words, index, value);
}

function hexDigit(code: number): number {
  return code < COLON ? code - 48 : code - 87;
}

function setGroup(words: AddressWords, index: number, value: number): void {
  const word = index >> 1;
  const before = words[word] ?? 0;
  words[word] = index % 2 === 0 ? (value << 16) | before : before | value;
}

function dottedQuad(text: string): number {
  let value = 0;
  let octet = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit >= 0) octet = octet * 10 + digit;
    else {
      value = (value << 8) | octet;
      octet = 0;
    }
  }
  return ((value << 8) | octet) >>> 0;
}

/** The words of the address that was asked for last: several tables ask for the same one. */
export class LatestWords {
  readonly #words: AddressWords = new Uint32Array(4);
  #text = '::';

  /** The words are good until the next call. */
  of(text: string): Readonly<AddressWords> {
    if (text !== this.#text) {
      addressWords(text, this.#words);
      this.#text = text;
    }
    return this.#words;
  }
}

/** The text of the four words from `at` on; the inverse of `addressWords`. */
export function wordsText(words: AddressWords, at = 0): string {
  if (words[at] === 0 && words[at + 1] === 0 && words[at + 2] === 0xffff) {
    const address = words[at + 3] ?? 0;
    const [high, low] = [address >>> 16, address & 0xffff];
    return `${high >>> 8}.${high & 255}.${low >>> 8}.${low & 255}`;
  }
  for (let i = 0; i < 16; i++) bytes[i] = (words[at + (i >> 2)] ?? 0) >>> (24 - (i & 3) * 8);
  return addressText(bytes);
}

const bytes = new Uint8Array(16);
