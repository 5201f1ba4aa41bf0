/** What a scenario is given, and the end of all of it: networks first, for processes live in them. */
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { createNetwork, type Network } from '../../test/support/netns.js';
import type { BenchContext } from './scenario.js';

export interface OpenContext {
  readonly context: BenchContext;
  /** Ends everything that runs in the networks and removes them. Never throws. */
  close(): Promise<void>;
}

/** @param base the folder for the folders; whoever made it removes it */
export function openContext(base: string, quick: boolean): OpenContext {
  const networks: Promise<Network>[] = [];
  let isClosed = false;
  const context: BenchContext = {
    quick,
    network() {
      if (isClosed) return Promise.reject(new Error('the bench is ending'));
      const network = createNetwork();
      networks.push(network);
      return network;
    },
    folder: () => mkdtemp(join(base, 'f-')),
    say: (line) => void process.stdout.write(`  ${line}\n`),
  };
  const close = async () => {
    isClosed = true;
    // One that could not be made has nothing to remove.
    const made = await Promise.allSettled(networks);
    for (const each of made) if (each.status === 'fulfilled') await each.value.dispose();
  };
  return { context, close };
}
