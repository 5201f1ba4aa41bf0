/** Canonical address text out of bytes, quickly: every captured packet passes here. */

/**
 * The text of the 16-byte address at `at`: RFC 5952, but v4-mapped ones as dotted quads.
 */
export function addressText(bytes: Uint8Array, at = 0): string {
  return isMapped(bytes, at) ? dottedQuad(bytes, at + 12) : colonHex(bytes, at);
}

function isMapped(bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < 10; i += 1) if (bytes[at + i] !== 0) return false;
  return bytes[at + 10] === 0xff && bytes[at + 11] === 0xff;
}

function dottedQuad(bytes: Uint8Array, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}

function colonHex(bytes: Uint8Array, at: number): string {
  const { start, length } = longestZeroRun(bytes, at);
  let text = '';
  for (let i = 0; i < 8; i += 1) {
    if (i === start) {
      text += '::';
      i += length - 1;
      continue;
    }
    if (i > 0 && i !== start + length) text += ':';
    text += group(bytes, at, i).toString(16);
  }
  return text;
}

/** The run of zero groups that `::` stands for: the longest, the first of equals, two at least. */
function longestZeroRun(bytes: Uint8Array, at: number): { start: number; length: number } {
  let best = { start: -10, length: 1 };
  let begin = 0;
  for (let i = 0; i < 8; i += 1) {
    if (group(bytes, at, i) !== 0) begin = i + 1;
    else if (i + 1 - begin > best.length) best = { start: begin, length: i + 1 - begin };
  }
  return best;
}

function group(bytes: Uint8Array, at: number, index: number): number {
  return ((bytes[at + index * 2] ?? 0) << 8) | (bytes[at + index * 2 + 1] ?? 0);
}
