import { NOT_AFTER } from './not-after.js';

/**
 * Appends an order.
 *
 * KEYS: the cluster journal, the queue of doors that one host acts on. ARGV: not after, about how many
 * entries the streams keep, 1 if the queue gets the order too, then its fields.
 */
export const PUBLISH = `${NOT_AFTER}
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', unpack(ARGV, 4))
if ARGV[3] == '1' then
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[2], '*', unpack(ARGV, 4))
end
return 1
`;
