/** The changes that need one command or two, as scripts so that they too refuse to run late. */
import { NOT_AFTER } from './not-after.js';

/** Makes claims known. KEYS: the hash of claims. ARGV: not after, then claim and grant in turn. */
export const ADD_CLAIMS = `${NOT_AFTER}
for index = 2, #ARGV, 2 do
  redis.call('HSETNX', KEYS[1], ARGV[index], ARGV[index + 1])
end
return 1
`;

/** A host's sign of life. KEYS: the hash of hosts. ARGV: not after, the host, the text. */
export const BEAT = `${NOT_AFTER}
return redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
`;

/** Forgets a host's sign of life. KEYS: the hash of hosts. ARGV: not after, the host. */
export const FORGET = `${NOT_AFTER}
return redis.call('HDEL', KEYS[1], ARGV[2])
`;

/**
 * Gives an entry back: it counts as delivered to this host long ago, so that the next one that looks
 * for unfinished entries takes it over.
 *
 * KEYS: the queue of doors that one host acts on. ARGV: not after, the group, the host, the entry.
 */
export const DECLINE = `${NOT_AFTER}
redis.call('XCLAIM', KEYS[1], ARGV[2], ARGV[3], '0', ARGV[4], 'IDLE', 3600000, 'JUSTID')
return 1
`;

/** Ends an entry of a queue. KEYS: the queue. ARGV: not after, the group, the entry's id. */
export const FINISH = `${NOT_AFTER}
redis.call('XACK', KEYS[1], ARGV[2], ARGV[3])
return redis.call('XDEL', KEYS[1], ARGV[3])
`;
