import { spawn } from 'node:child_process';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { reasonOf } from '../errors.js';
import { unreadable } from './frames.js';

/** What tcpdump says on stderr is kept for an error, up to this many characters. */
const MAX_COMPLAINT = 400;

/**
 * A pcapng file as a classic one, through `tcpdump -r - -w -`. It reads from a pipe: started as
 * root it would open the file as another user. Throws POSTERN_E_REPLAY with the command that
 * converts the file where there is no tcpdump, and with tcpdump's words where it fails. Ending the
 * iteration ends tcpdump.
 */
export async function* convert(
  name: string,
  input: AsyncIterable<Uint8Array>,
  command = 'tcpdump',
): AsyncGenerator<Uint8Array> {
  const argv = ['-r', '-', '-w', '-', '--time-stamp-precision=nano'];
  const child = spawn(command, argv, { stdio: ['pipe', 'pipe', 'pipe'] });
  const ended = new Promise<number | Error>((resolve) => {
    child.once('error', resolve);
    child.once('close', (code) => resolve(code ?? 1));
  });
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => {
    complaint = (complaint + chunk.toString()).slice(-MAX_COMPLAINT);
  });
  const stop = new AbortController();
  let inputError: unknown;
  const fed = pipeline(Readable.from(input), child.stdin, { signal: stop.signal }).catch(
    (error: unknown) => {
      // A tcpdump that gave up closes its input first; its exit code and words say why.
      inputError = error;
    },
  );
  try {
    for await (const chunk of child.stdout) yield chunk;
    const outcome = await ended;
    if (outcome instanceof Error) throw missing(name, outcome);
    if (outcome !== 0) throw unreadable(name, lastLine(complaint), inputError);
  } finally {
    stop.abort();
    child.kill();
    await Promise.all([ended, fed]);
  }
}

function missing(name: string, error: Error): Error {
  const how = 'tcpdump is needed for that; elsewhere: editcap -F pcap IN OUT';
  return unreadable(name, `it is a pcapng file, and ${how} (${reasonOf(error)})`, error);
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) || 'tcpdump failed';
}
