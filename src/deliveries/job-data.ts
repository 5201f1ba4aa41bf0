/**
 * What a job of the queue `deliver` carries: the name of a delivery and of an attempt, under an HMAC.
 * It only reminds this host of what it owes; what is told, and to whom, is nowhere in Redis (DESIGN 8).
 */
import { timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { digest, type JournalKey } from '../journal/key.js';
import type { DeliveryName } from './types.js';

const reminderData = z.object({
  grant: z.string(),
  sink: z.string(),
  event: z.enum(['open', 'close', 'failed']),
  about: z.string().optional(),
  /** Which attempt it is time for. */
  attempt: z.number().int().positive(),
  mac: z.string(),
});

export type ReminderData = z.infer<typeof reminderData>;

export interface Reminder {
  readonly name: DeliveryName;
  readonly attempt: number;
}

function macOf(key: JournalKey, { name, attempt }: Reminder): string {
  const { grant, sink, event, about = '' } = name;
  return digest(key, 'deliver', JSON.stringify([grant, sink, event, about, attempt]));
}

export function signReminder(key: JournalKey, reminder: Reminder): ReminderData {
  return { ...reminder.name, attempt: reminder.attempt, mac: macOf(key, reminder) };
}

/** Undefined when it was not written by a holder of the key. */
export function verifyReminder(key: JournalKey, data: unknown): Reminder | undefined {
  const parsed = reminderData.safeParse(data);
  if (!parsed.success) return undefined;
  const { mac, attempt, ...name } = parsed.data;
  const reminder = { name, attempt };
  const given = Buffer.from(mac);
  const right = Buffer.from(macOf(key, reminder));
  return given.length === right.length && timingSafeEqual(given, right) ? reminder : undefined;
}

/** BullMQ takes no `:` in an id, and names hold some; nor does one part end where another begins. */
export function reminderId({ name, attempt }: Reminder): string {
  const { grant, sink, event, about = '' } = name;
  return [grant, sink, event, about, String(attempt)].map(encodeURIComponent).join(',');
}
