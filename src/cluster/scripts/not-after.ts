/**
 * Goes first in every script that changes something in the shared Redis. ARGV[1] is the time, in
 * milliseconds by the clock of that Redis, after which the script refuses itself.
 *
 * A server that was frozen or cut off reads, once it thaws, what was sent to it long ago, also from
 * connections that ended meanwhile: without this it would claim sequences and open doors for knocks
 * that were refused minutes before. TIME stands before the writes; that is right since Redis 5
 * replicates what a script did, and not the script.
 */
export const NOT_AFTER = `
local time = redis.call('TIME')
if time[1] * 1000 + time[2] / 1000 > tonumber(ARGV[1]) then
  return redis.error_reply('POSTERN_LATE this comes too late')
end
`;

/** Whether an error of Redis is that refusal. */
export function isLate(reason: string): boolean {
  return reason.includes('POSTERN_LATE');
}
