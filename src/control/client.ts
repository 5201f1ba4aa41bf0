/** Asks the running postern over its control socket. */
import { connect, type Socket } from 'node:net';
import { PosternError, reasonOf } from '../errors.js';
import { readJsonLines, writeJsonLine } from './lines.js';
import type { Reply, Request } from './protocol.js';

/**
 * Sends one request and gives its replies until the other side ends.
 * @throws PosternError POSTERN_E_CONTROL when nobody answers, or with what the daemon refused.
 */
export async function* ask(
  path: string,
  request: Request,
  signal?: AbortSignal,
): AsyncGenerator<Exclude<Reply, { readonly error: string }>> {
  const socket = await open(path);
  const end = () => socket.destroy();
  signal?.addEventListener('abort', end, { once: true });
  try {
    await writeJsonLine(socket, request);
    for await (const line of readJsonLines(socket)) {
      const reply = line as Reply;
      if ('error' in reply) throw new PosternError('POSTERN_E_CONTROL', reply.error);
      yield reply;
    }
  } finally {
    signal?.removeEventListener('abort', end);
    socket.destroy();
  }
}

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      // What breaks later ends the replies; the caller sees that they are incomplete.
      socket.on('error', () => socket.destroy());
      resolve(socket);
    });
    socket.once('error', (error) => {
      const denied = 'code' in error && error.code === 'EACCES';
      const help = denied
        ? 'ask as the user that runs it, usually root'
        : 'is it running? name its folder with --state-dir, or its file with -c';
      reject(
        new PosternError(
          'POSTERN_E_CONTROL',
          `no postern answers on ${path} (${reasonOf(error)}); ${help}`,
          { cause: error },
        ),
      );
    });
  });
}
