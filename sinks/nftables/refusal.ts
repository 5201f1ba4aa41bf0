/** Why nft refused a script, told from its own words (LC_ALL=C). */
import { PosternError } from '../../src/errors.js';

export type RefusalKind =
  /** ENOENT: the element, or the set, or the table is not there. */
  | 'absent'
  /** EEXIST: a range overlaps, or a set or chain is declared in another way. */
  | 'exists'
  /** ENFILE: the set is full. Expired elements count for a second or two more. */
  | 'full'
  /** EPERM: CAP_NET_ADMIN is missing. */
  | 'denied'
  | 'other';

const WORDS: readonly (readonly [RefusalKind, RegExp])[] = [
  ['denied', /Operation not permitted|Permission denied/],
  ['full', /Too many open files in system/],
  ['exists', /File exists|Directory not empty|overlap|datatype mismatch/],
  ['absent', /No such file or directory|does not exist/],
];

export class NftRefusal extends Error {
  override readonly name = 'NftRefusal';
  constructor(
    readonly kind: RefusalKind,
    reason: string,
  ) {
    super(reason);
  }
}

/** What nft wrote to its standard error; undefined: no error among it. */
export function refusalIn(text: string): NftRefusal | undefined {
  const errors = text.split('\n').filter((line) => line.includes('Error: '));
  if (errors.length === 0) return undefined;
  const kind = WORDS.find(([, words]) => words.test(errors.join('\n')))?.[0] ?? 'other';
  // The first says enough. The line that it quotes is not taken along: it holds addresses.
  return new NftRefusal(kind, (errors[0] ?? '').replace(/^.*?Error: /, '').slice(0, 200));
}

/** For an operator: what is missing, and what to do. */
export function nftError(error: unknown): PosternError {
  if (error instanceof PosternError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new PosternError('POSTERN_E_NFT', adviceFor(error, reason), { cause: error });
}

function adviceFor(error: unknown, reason: string): string {
  const kind = error instanceof NftRefusal ? error.kind : 'other';
  if (kind === 'denied')
    return 'nft is not permitted to change the firewall: run postern as root or with CAP_NET_ADMIN (systemd: AmbientCapabilities=CAP_NET_ADMIN)';
  if (kind === 'full')
    return 'the set of allowed sources is full: this grant has no room until others end; knock again';
  return `nft refused a change of the firewall: ${reason}`;
}
