/** Ids of Redis Streams as somebody else gives them, who may give anything. */

const ID = /^(\d{1,20})-(\d{1,20})$/;
const LARGEST = 2n ** 64n - 1n;

/** Whether Redis would take it: two 64-bit numbers. */
export function isStreamId(text: string): boolean {
  const [, ms, seq] = ID.exec(text) ?? [];
  return ms !== undefined && seq !== undefined && BigInt(ms) <= LARGEST && BigInt(seq) <= LARGEST;
}

/** The largest id that is smaller; undefined: there is none, or the text is no id. */
export function predecessor(id: string): string | undefined {
  const [, ms = '0', seq = '0'] = ID.exec(id) ?? [];
  if (BigInt(seq) > 0n) return `${ms}-${BigInt(seq) - 1n}`;
  return BigInt(ms) > 0n ? `${BigInt(ms) - 1n}-${LARGEST}` : undefined;
}
