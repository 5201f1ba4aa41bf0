import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 5;
const SILENCE_MAX_MS = 10_000;

/**
 * Resolves when the server behind the socket answers a PING. A server that is still reading its
 * file says `-LOADING` and is waited for; one that says nothing for 10 s is given up.
 */
export async function untilReady(socket: string, signal: AbortSignal): Promise<void> {
  let silentMs = 0;
  while (silentMs < SILENCE_MAX_MS) {
    signal.throwIfAborted();
    const before = performance.now();
    const answer = await ping(socket, SILENCE_MAX_MS - silentMs, signal);
    if (answer?.startsWith('+PONG')) return;
    await delay(POLL_MS, undefined, { signal });
    silentMs = answer?.startsWith('-LOADING') ? 0 : silentMs + (performance.now() - before);
  }
  throw new Error(`it does not answer on ${socket}`);
}

function ping(path: string, withinMs: number, signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    const client = connect({ path });
    const end = (answer?: string) => {
      signal.removeEventListener('abort', onAbort);
      client.destroy();
      resolve(answer);
    };
    const onAbort = () => end();
    signal.addEventListener('abort', onAbort, { once: true });
    client.setTimeout(withinMs, end);
    client.on('error', () => end());
    client.on('close', () => end());
    client.on('data', (data) => end(data.toString('latin1')));
    client.write('PING\r\n');
  });
}
