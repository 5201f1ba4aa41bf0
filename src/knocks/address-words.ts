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
export function addressText(w0: number, w1: number, w2: number, w3: number): string {
  if (w0 === 0 && w1 === 0 && w2 === 0xffff) {
    return `${w3 >>> 24}.${(w3 >>> 16) & 255}.${(w3 >>> 8) & 255}.${w3 & 255}`;
  }
  const groups = [w0, w1, w2, w3].flatMap((word) => [word >>> 16, word & 0xffff]);
  const { start, length } = longestZeros(groups);
  const hex = (part: readonly number[]) => part.map((group) => group.toString(16)).join(':');
  if (length < 2) return hex(groups);
  return `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`;
}

function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (let i = 0; i <= groups.length; i++) {
    if (groups[i] === 0) continue;
    if (i - start > best.length) best = { start, length: i - start };
    start = i + 1;
  }
  return best;
}
