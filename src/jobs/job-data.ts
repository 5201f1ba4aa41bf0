/**
 * What a job carries: the name of a grant and what it is about, under an HMAC. Nothing in it can be
 * executed; it only reminds this host of a grant that it knows already (DESIGN 8).
 */
import { timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { digest, type JournalKey } from '../journal/key.js';

const jobData = z.object({
  kind: z.enum(['open', 'close']),
  grant: z.string(),
  door: z.string(),
  source: z.string(),
  /** Which deadline of the grant it is for. */
  round: z.number().int().nonnegative(),
  mac: z.string(),
});

export type JobData = z.infer<typeof jobData>;
export type JobBody = Omit<JobData, 'mac'>;

function macOf(key: JournalKey, { kind, grant, door, source, round }: JobBody): string {
  return digest(key, 'job', JSON.stringify([kind, grant, door, source, round]));
}

export function signJob(key: JournalKey, body: JobBody): JobData {
  return { ...body, mac: macOf(key, body) };
}

/** The job's content, or undefined when it was not written by a holder of the key for this queue. */
export function verifyJob(
  key: JournalKey,
  kind: JobBody['kind'],
  data: unknown,
): JobBody | undefined {
  const parsed = jobData.safeParse(data);
  if (!parsed.success || parsed.data.kind !== kind) return undefined;
  const { mac, ...body } = parsed.data;
  const given = Buffer.from(mac);
  const right = Buffer.from(macOf(key, body));
  return given.length === right.length && timingSafeEqual(given, right) ? body : undefined;
}
