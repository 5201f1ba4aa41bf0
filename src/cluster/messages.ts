/**
 * What the body of a cluster message may hold. Verified messages are parsed too: a host of ours may
 * be of another version, and inside nobody checks again.
 */
import { z } from 'zod';
import { canonicalAddress } from '../../config/address.js';
import { eventBody } from '../journal/events.js';
import type { Order } from './types.js';

/** Characters in the name of a door at most; a configuration line is never that long by intent. */
const MAX_DOOR = 1024;

/** A host's name. It stands in grant ids, hence in Redis keys and job ids. */
export const hostName = z.string().regex(/^[A-Za-z0-9._-]{1,64}$/);

const door = z.string().min(1).max(MAX_DOOR);

/** Canonical address text only, so that one source has one name everywhere. */
const source = z.string().max(45).refine(isCanonical);

/** `HOST-ms-random`. */
const grant = z.string().regex(/^[A-Za-z0-9._-]{1,128}$/);

/** base64url of a SHA-256 HMAC. */
const claim = z.string().regex(/^[A-Za-z0-9_-]{43}$/);

export const orderBody: z.ZodType<Order> = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('Completed'),
    grant,
    door,
    source,
    runOn: z.enum(['here', 'everywhere', 'once']),
    /** One under each key, of which there are two at most. */
    claims: z.array(claim).max(2),
    pending: z.literal(true).optional(),
  }),
  z.object({ type: z.literal('Confirmed'), grant }),
  z.object({ type: z.literal('Revoked'), door, source, host: hostName.optional() }),
]);

/** An event of a host's own journal, with the bounds that everything from another host has. */
export const reportBody = eventBody
  .refine((event) => !('source' in event) || source.safeParse(event.source).success)
  .refine((event) => !('door' in event) || door.safeParse(event.door).success);

function isCanonical(text: string): boolean {
  try {
    return canonicalAddress(text) === text;
  } catch {
    return false; // what the parsers stumble over is no canonical text
  }
}
