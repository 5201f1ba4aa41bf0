import { NOT_AFTER } from './not-after.js';

/**
 * Gives a grant of a door that one host acts on to the first host that asks.
 *
 * KEYS: who has taken the grant. ARGV: not after, the host, for how many milliseconds it is
 * remembered. Gives 1 when the host has it, also from an earlier time; else 0.
 */
export const TAKE = `${NOT_AFTER}
if redis.call('SET', KEYS[1], ARGV[2], 'NX', 'PX', ARGV[3]) then
  return 1
end
return redis.call('GET', KEYS[1]) == ARGV[2] and 1 or 0
`;
