/** Three-valued logic: what cannot be told stays so. */
export type Truth = 'yes' | 'no' | 'maybe';

export function and(one: Truth, other: Truth): Truth {
  if (one === 'no' || other === 'no') return 'no';
  return one === 'yes' && other === 'yes' ? 'yes' : 'maybe';
}

export function not(truth: Truth): Truth {
  if (truth === 'maybe') return truth;
  return truth === 'yes' ? 'no' : 'yes';
}

/** Yes if one is, no if none can be. */
export function anyOf(truths: readonly Truth[]): Truth {
  if (truths.includes('yes')) return 'yes';
  return truths.includes('maybe') ? 'maybe' : 'no';
}

/** What holds for all of several things that may be meant; else it cannot be told. */
export function agreed(truths: readonly Truth[]): Truth {
  const [first = 'maybe'] = truths;
  return truths.every((truth) => truth === first) ? first : 'maybe';
}
