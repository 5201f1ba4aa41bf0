/** What a measurement is given, and what it gives. */
import type { Network } from '../../test/support/netns.js';

export interface BenchContext {
  /** A new network of two namespaces, removed when the scenario is over. */
  network(): Promise<Network>;
  /** A new empty folder, removed likewise. */
  folder(): Promise<string>;
  /** The short form for continuous integration: fewer of everything, the same ratios. */
  readonly quick: boolean;
  /** Progress for whoever waits; a line without its end. */
  say(line: string): void;
}

export interface Measured {
  /** Tables of plain numbers and words, for the results file and the plots. */
  readonly figures: unknown;
  /**
   * What may be compared between machines, by name: the smaller the better, and never 0 (a goal of
   * none is told by `figures`). Continuous integration fails on one that is twice the recorded.
   */
  readonly ratios: Readonly<Record<string, number>>;
}

export interface Scenario {
  /** A word for the command line and the results file. */
  readonly name: string;
  /** What is measured, for people. */
  readonly title: string;
  run(context: BenchContext): Promise<Measured>;
}
