import { addressText } from '../capture/address.js';

/** An address as four 32-bit words (IPv4 as ::ffff:a.b.c.d): the key of a compact table. */
export type AddressWords = Uint32Array;

/**
 * Reads canonical address text into `words`. The text comes from the packet parser, so it is well
 * formed; IPv6 is RFC 5952, without a zone.
 */
export function addressWords(text: string, words: AddressWords): void {
  if (!text.includes(':')) {
    words[0] = 0;
    words[1] = 0;
    words[2] = 0xffff;
    words[3] = dottedQuad(text);
    return;
  }
  const [head = '', tail] = text.split('::');
  words.fill(0);
  const front = head === '' ? [] : head.split(':');
  for (const [index, group] of front.entries()) setGroup(words, index, group);
  if (tail === undefined || tail === '') return;
  const back = tail.split(':');
  for (const [index, group] of back.entries()) setGroup(words, 8 - back.length + index, group);
}

function setGroup(words: AddressWords, index: number, group: string): void {
  const value = Number.parseInt(group, 16);
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

/** The text again; the inverse of `addressWords`. */
export function wordsText(words: AddressWords): string {
  const bytes = new DataView(new ArrayBuffer(16));
  for (const [index, word] of words.entries()) bytes.setUint32(index * 4, word);
  return addressText(new Uint8Array(bytes.buffer));
}
