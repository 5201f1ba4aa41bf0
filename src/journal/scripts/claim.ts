/**
 * Uses up a one-time sequence and appends its Completed event, both or neither.
 *
 * KEYS: the set of claims, the journal. ARGV: the claim, the event's id, then its fields.
 * Returns the id, or nil when the claim was made before.
 *
 * The append comes before the claim: a script that fails half-way is not rolled back, and only the
 * append can fail here.
 */
export const CLAIM = `
if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 1 then
  return false
end
local id = redis.call('XADD', KEYS[2], ARGV[2], unpack(ARGV, 3))
redis.call('SADD', KEYS[1], ARGV[1])
return id
`;
