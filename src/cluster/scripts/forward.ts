import { NOT_AFTER } from './not-after.js';

/**
 * Appends reports of one host behind the last that it forwarded, and moves its head to the last of
 * them: all or none. Does nothing when the head is another than the host believes, as after an
 * answer that was lost, or a failover that lost the tail.
 *
 * KEYS: the hash of heads, the cluster journal. ARGV: not after, the host, the head it believes in
 * (empty: none), about how many entries the journal keeps, then for each report its id, the number
 * of its fields, and the fields.
 *
 * Gives the head that is there afterwards; empty: none.
 */
export const FORWARD = `${NOT_AFTER}
local host, head = ARGV[2], ARGV[3]
local there = redis.call('HGET', KEYS[1], host) or ''
if there ~= head then
  return there
end
local at = 5
while at < #ARGV do
  local count = tonumber(ARGV[at + 1])
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', unpack(ARGV, at + 2, at + 1 + count))
  head = ARGV[at]
  at = at + 2 + count
end
redis.call('HSET', KEYS[1], host, head)
return head
`;
