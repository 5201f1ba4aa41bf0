/**
 * Accepts a grant that the cluster gave, once: appends its Completed event, remembers the grant, and
 * uses up its claim.
 *
 * KEYS: the grants that were accepted (a sorted set by when their time is over), the set of claims,
 * the journal. ARGV: the grant, when its time is over, before when a grant is forgotten (wall clock
 * milliseconds both), the claim or nothing, the event's id, then its fields.
 * Returns the id, or nil when the grant was accepted before.
 *
 * All that can fail comes before the first write, since a script that fails half-way is not rolled
 * back: both sets are read first, which tells whether they are sets, and of the writes only the
 * append can be refused.
 */
export const ACCEPT = `
local accepted = redis.call('ZSCORE', KEYS[1], ARGV[1])
local claims = ARGV[4] ~= '' and redis.call('SISMEMBER', KEYS[2], ARGV[4]) == 0
if accepted then
  return false
end
local id = redis.call('XADD', KEYS[3], ARGV[5], unpack(ARGV, 6))
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[3])
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
if claims then
  redis.call('SADD', KEYS[2], ARGV[4])
end
return id
`;
