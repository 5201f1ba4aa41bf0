import { createHmac, createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createSecret, readSecret, refusal, type SecretFile } from '../secret-file.js';

const KEY_BYTES = 32;

/** Held as a KeyObject, which prints nothing of itself. */
export type JournalKey = KeyObject;

/**
 * The key that authenticates events: `state_dir/journal.key`, 32 random bytes, mode 0600, made on
 * first start (DESIGN 8).
 *
 * Throws POSTERN_E_KEY when group or others can read it, it belongs to somebody else, it is no
 * plain file of 32 bytes, or it cannot be made (T8).
 */
export async function loadKey(stateDir: string): Promise<JournalKey> {
  const path = join(stateDir, 'journal.key');
  const file = { path, what: 'the key of the journal', rootMayOwn: false, maxBytes: 4096 };
  const there = await readKey(file);
  if (there !== undefined) return there;
  await createSecret(file, randomBytes(KEY_BYTES));
  const made = await readKey(file);
  if (made === undefined) throw refusal(file, 'vanished while it was made');
  return made;
}

/**
 * HMAC-SHA256 of a text, base64url. Digests for one purpose say nothing about another's, even of
 * the same text. `purpose` is a plain word.
 */
export function digest(key: JournalKey, purpose: string, text: string): string {
  return createHmac('sha256', key).update(`${purpose}\0`).update(text).digest('base64url');
}

async function readKey(file: SecretFile): Promise<JournalKey | undefined> {
  const bytes = await readSecret(file);
  if (bytes === undefined) return undefined;
  if (bytes.length !== KEY_BYTES)
    throw refusal(file, `has ${bytes.length} bytes and a key has ${KEY_BYTES}: restore it`);
  return createSecretKey(bytes);
}
