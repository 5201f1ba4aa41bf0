/** The secret that webhooks are signed with. */
import { Webhook } from 'standardwebhooks';
import type { PosternError } from '../../src/errors.js';
import { readSecretFile, refuseFile } from '../secret-file.js';

/** The value of the header `webhook-signature`. */
export type Sign = (id: string, at: Date, body: string) => string;

/** Standard Webhooks 1.0.0, "Signature scheme". */
const MIN_KEY_BYTES = 24;
const MAX_KEY_BYTES = 64;

/**
 * Reads the secrets of a file, one a line, `#` before a comment. Two of them while one takes the
 * place of the other: messages then carry a signature by each.
 * @throws PosternError POSTERN_E_SINK, which quotes nothing of the file: when it cannot be read, when
 *   anybody else can read or change it (T8), or when it holds no secret
 */
export async function loadSigner(path: string, of: string): Promise<Sign> {
  const refuse = (why: string) => refuseFile(path, of, why);
  const keys = [...keysIn(await readSecretFile(path, of), refuse)];
  if (keys.length === 0 || keys.length > 2)
    throw refuse(`holds ${keys.length} secrets, and must hold one, or two; ${HOW_TO_MAKE}`);
  const signers = keys.map((key) => new Webhook(key, { format: 'raw' }));
  return (id, at, body) => signers.map((signer) => signer.sign(id, at, body)).join(' ');
}

const HOW_TO_MAKE = 'a new one is made by: echo "whsec_$(openssl rand -base64 32)"';

function* keysIn(text: string, refuse: (why: string) => PosternError): Generator<Uint8Array> {
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const where = `line ${index + 1}`;
    const found = /^whsec_([A-Za-z0-9+/]+)={0,2}$/.exec(line);
    if (found === null)
      throw refuse(`(${where}) holds no secret: whsec_ and base64; ${HOW_TO_MAKE}`);
    const key = Buffer.from(found[1] ?? '', 'base64');
    if (key.length < MIN_KEY_BYTES || key.length > MAX_KEY_BYTES)
      throw refuse(
        `(${where}) has a secret of ${key.length} bytes, and takes ${MIN_KEY_BYTES} to ${MAX_KEY_BYTES}; ${HOW_TO_MAKE}`,
      );
    yield new Uint8Array(key);
  }
}
