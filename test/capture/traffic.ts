/** Sends to a network namespace's neighbour: numbered datagrams, or any frame on the wire. */
import { fileURLToPath } from 'node:url';
import type { Network } from '../support/netns.js';

const SENDER = fileURLToPath(new URL('./sender.js', import.meta.url));

export interface Job {
  readonly address: string;
  /** One datagram to each, in order. */
  readonly ports?: readonly number[];
  /** Milliseconds between datagrams; 0: at once. */
  readonly everyMs?: number;
  /** One SYN to each, by a connection that is refused or given up. */
  readonly connect?: readonly number[];
  /** Frames in hexadecimal, put on the wire as they are. */
  readonly frames?: readonly string[];
  readonly interface?: string;
}

export async function send(network: Network, job: Job): Promise<void> {
  // Not in argv: a test looks for ports there.
  const env = { ...process.env, JOB: JSON.stringify(job) };
  await network.must('client', [process.execPath, SENDER], { timeoutMs: 20_000, env });
}
