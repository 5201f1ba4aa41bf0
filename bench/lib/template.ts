/** An IPv4 frame that many sources send: only the address, and the checksum that covers it, change. */
import { SOURCE_AT } from './frames.js';

const IP_AT = 14;
const IP_END = 34;
const CHECKSUM_AT = 24;

export class Template {
  readonly bytes: Buffer;
  /** The sum of the IP header's words but for source address and checksum. */
  readonly #bare: number;

  constructor(hex: string) {
    this.bytes = Buffer.from(hex, 'hex');
    let sum = 0;
    for (let at = IP_AT; at < IP_END; at += 2) {
      const counts = at !== CHECKSUM_AT && at !== SOURCE_AT && at !== SOURCE_AT + 2;
      if (counts) sum += this.bytes.readUInt16BE(at);
    }
    this.#bare = sum;
  }

  /** The frame as that source sends it; good until the next call. */
  from(source: number): Buffer {
    let sum = this.#bare + (source >>> 16) + (source & 0xffff);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    this.bytes.writeUInt32BE(source, SOURCE_AT);
    this.bytes.writeUInt16BE(~sum & 0xffff, CHECKSUM_AT);
    return this.bytes;
  }
}
