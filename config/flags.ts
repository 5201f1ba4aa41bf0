import { quoted } from './diagnostics.js';
import { indent, trim } from './lines.js';
import { bad, good, type Reading } from './reading.js';
import { type FlagRule, TCP_FLAG } from './types.js';

const BITS: Readonly<Record<string, number>> = TCP_FLAG;

/** No flag is asked for. */
export const ANY_FLAGS: FlagRule = { required: 0, excluded: 0 };

/**
 * `TCPFlags = syn,!ack` (M2): adds to the rule so far, for a directive given twice adds up in
 * knockd; of a flag named twice, the last mention counts.
 */
export function readTcpFlags(text: string, rule: FlagRule): Reading<FlagRule> {
  let { required, excluded } = rule;
  let offset = 0;
  for (const token of text.split(',')) {
    const word = trim(token).toLowerCase();
    const bit = Object.hasOwn(BITS, word.replace(/^!\s*/, '')) && BITS[word.replace(/^!\s*/, '')];
    if (!bit)
      return bad(
        `has no flag ${quoted(trim(token))}; write some of fin, syn, rst, psh, ack, urg, with ! for "not"`,
        offset + indent(token),
      );
    required = word.startsWith('!') ? required & ~bit : required | bit;
    excluded = word.startsWith('!') ? excluded | bit : excluded & ~bit;
    offset += token.length + 1;
  }
  return good({ required, excluded });
}
