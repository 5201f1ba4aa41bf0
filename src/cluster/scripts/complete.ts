import { NOT_AFTER } from './not-after.js';

/**
 * Makes the claims of a one-time sequence for a grant and appends its order, both or neither.
 *
 * KEYS: the hash of claims, the cluster journal, the queue of doors that one host acts on.
 * ARGV: not after, the grant, about how many entries the streams keep, 1 if the queue gets the order,
 * the number of claims, the claims, then the order's fields.
 *
 * Gives `won`, or `spent` when any claim was made for another grant. When it was made for this one,
 * the script ran before and its answer was lost: the order is there, and is not appended again.
 *
 * The appends come before the claims: a script that fails half-way is not rolled back, and only an
 * append can fail here.
 */
export const COMPLETE = `${NOT_AFTER}
local grant, length, once, count = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local known = false
for index = 6, 5 + count do
  local owner = redis.call('HGET', KEYS[1], ARGV[index])
  if owner and owner ~= grant then
    return 'spent'
  end
  known = known or owner
end
if not known then
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', length, '*', unpack(ARGV, 6 + count))
  if once == '1' then
    redis.call('XADD', KEYS[3], 'MAXLEN', '~', length, '*', unpack(ARGV, 6 + count))
  end
end
for index = 6, 5 + count do
  redis.call('HSET', KEYS[1], ARGV[index], grant)
end
return 'won'
`;
