/**
 * A new key for a cluster whose hosts never stop: it is added, used, and the old one dropped. After
 * each step every host gets the file, so that any two of them have a key in common at all times.
 */
import type { JournalKey } from '../journal/key.js';
import { refusal, replaceSecret } from '../secret-file.js';
import {
  clusterKeyFile,
  clusterKeysText,
  newClusterKey,
  readClusterKeyFile,
  type SecondKey,
  secondKeyIn,
} from './keys.js';
import type { ClusterKeys } from './types.js';

export type RotationStep = 'add' | 'use' | 'drop';

/** What the file holds after a step, or why the step cannot be taken. */
type Outcome =
  | { readonly all: readonly [JournalKey, ...JournalKey[]]; readonly second?: SecondKey }
  | { readonly because: string };

/** `second`: what the file says of its second key; nothing, if it was written by hand. */
type Step = (keys: ClusterKeys, second: SecondKey | undefined) => Outcome;

const STEPS: Readonly<Record<RotationStep, Step>> = {
  add: ({ signing, all }) =>
    all.length > 1
      ? because('holds two keys already: end that rotation first, by `use` and then `drop`')
      : { all: [signing, newClusterKey()], second: 'next' },
  use({ signing, all }, second) {
    const [, other] = all;
    if (other === undefined) return because('holds one key: begin with `rotate add`');
    if (second === 'former') return because('has its new key in use: go on with `rotate drop`');
    return { all: [other, signing], second: 'former' };
  },
  drop({ signing, all }, second) {
    if (all.length < 2) return because('holds one key: there is no old one to drop');
    if (second === 'next') return because('has its old key in use: first `rotate use`');
    return { all: [signing] };
  },
};

/**
 * Takes one step and gives the keys as they are then.
 * @throws PosternError POSTERN_E_KEY when the file is refused, cannot be written, or another step
 *   comes first; the file then holds what it held
 */
export async function rotateClusterKey(path: string, step: RotationStep): Promise<ClusterKeys> {
  const file = clusterKeyFile(path);
  const { keys, text } = await readClusterKeyFile(file);
  const outcome = STEPS[step](keys, secondKeyIn(text));
  if ('because' in outcome) throw refusal(file, outcome.because);
  const { all, second } = outcome;
  await replaceSecret(file, clusterKeysText(all, second));
  return { signing: all[0], all };
}

function because(reason: string): Outcome {
  return { because: reason };
}
