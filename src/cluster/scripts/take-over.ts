import { NOT_AFTER } from './not-after.js';

/**
 * Delivers to one host what was delivered to any, itself included, and not finished for some time.
 * Makes the group, to begin at the oldest entry, where it is missing.
 *
 * KEYS: the queue of doors that one host acts on. ARGV: not after, the group, the host, the idle time
 * in milliseconds, how many entries at most, then the entries that the host has declined.
 *
 * Gives for each: its id, its fields, how often it has been delivered now. XPENDING and XCLAIM rather
 * than XAUTOCLAIM, which Redis 6.0 lacks and which does not tell the deliveries. An entry that was
 * cut off or deleted is forgotten. 1,000 pending entries are looked at: each host has some 32.
 */
export const TAKE_OVER = `${NOT_AFTER}
local group, host, idle, most = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local delivered = redis.pcall('XPENDING', KEYS[1], group, '-', '+', 1000)
if delivered.err then
  if not string.find(delivered.err, 'NOGROUP', 1, true) then
    return delivered
  end
  redis.call('XGROUP', 'CREATE', KEYS[1], group, '0', 'MKSTREAM')
  return {}
end
local taken, declined = {}, {}
for index = 6, #ARGV do
  declined[ARGV[index]] = true
end
for _, pending in ipairs(delivered) do
  local id, deliveries = pending[1], pending[4]
  if #taken < most and pending[3] >= idle and not declined[id] then
    local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
    if entry then
      redis.call('XCLAIM', KEYS[1], group, host, '0', id)
      taken[#taken + 1] = { id, entry[2], deliveries + 1 }
    else
      redis.call('XACK', KEYS[1], group, id)
    end
  end
end
return taken
`;
