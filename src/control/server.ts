/**
 * The control socket (DESIGN 15), which is also the lock on a state folder: who listens on it owns
 * the folder. 0600, so that only its owner can ask.
 */
import { chmod, rename, unlink } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { PosternError, reasonOf } from '../errors.js';
import { readJsonLines, writeJsonLine } from './lines.js';
import { type ControlHandlers, type Reply, request } from './protocol.js';

/** How long another postern on the folder may take to go away. */
const WAIT_MS = 5000;
const POLL_MS = 100;
/** No request comes near; without a bound, one line could fill the memory. */
const MAX_REQUEST_BYTES = 65_536;

export interface ControlServer {
  /** Until this is called, whoever asks is told that postern is starting. */
  serve(handlers: ControlHandlers): void;
  stop(): Promise<void>;
}

/**
 * Takes the folder.
 * @throws PosternError POSTERN_E_STATE_DIR when another postern still has it after 5 s.
 */
export async function takeControl(path: string, signal?: AbortSignal): Promise<ControlServer> {
  let handlers: ControlHandlers | undefined;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const abort = new AbortController();
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      sockets.delete(socket);
      abort.abort();
    });
    answer(socket, handlers, abort.signal)
      .catch((error: unknown) => writeJsonLine(socket, { error: reasonOf(error) }))
      // Not only our side: whoever goes on writing would hold it open.
      .finally(() => socket.destroySoon());
  });
  await listenAlone(server, path, signal);
  return {
    serve(given) {
      handlers = given;
    },
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(
  socket: Socket,
  handlers: ControlHandlers | undefined,
  signal: AbortSignal,
): Promise<void> {
  const say = (reply: Reply) => writeJsonLine(socket, reply);
  for await (const line of readJsonLines(socket, MAX_REQUEST_BYTES)) {
    const asked = request.parse(line);
    if (handlers === undefined) await say({ error: 'postern is starting; ask again in a moment' });
    else if (asked.command === 'status') await say({ status: handlers.status() });
    else if (asked.command === 'reload') await say(await handlers.reload());
    else if (asked.command === 'close') await say(await handlers.close(asked));
    else if (asked.command === 'forget') await say(await handlers.forget(asked.host));
    else {
      for await (const event of handlers.events(asked.follow, signal)) await say({ event });
    }
    return;
  }
}

async function listenAlone(server: Server, path: string, signal?: AbortSignal): Promise<void> {
  const giveUpAt = performance.now() + WAIT_MS;
  while (!(await tryListen(server, path))) {
    if (await isAnswering(path)) {
      if (performance.now() > giveUpAt) {
        throw new PosternError(
          'POSTERN_E_STATE_DIR',
          `another postern is running on this state folder (it answers on ${path}); ` +
            'stop it first, or give this one a folder of its own with --state-dir',
        );
      }
      await sleep(POLL_MS, undefined, signal === undefined ? {} : { signal });
    } else await removeStale(path);
  }
  await chmod(path, 0o600);
}

/** Moved aside before it is removed: two that start at once must not remove each other's. */
async function removeStale(path: string): Promise<void> {
  const aside = `${path}.${process.pid}.stale`;
  try {
    await rename(path, aside);
    if (await isAnswering(aside)) await rename(aside, path);
    else await unlink(aside);
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw error;
  }
}

async function tryListen(server: Server, path: string): Promise<boolean> {
  try {
    await new Promise<void>((resolve, reject) => {
      const settled = (settle: () => void) => {
        server.removeAllListeners('error').removeAllListeners('listening');
        settle();
      };
      server.once('error', (error) => settled(() => reject(error)));
      server.once('listening', () => settled(resolve));
      server.listen(path);
    });
    return true;
  } catch (error) {
    if (isCode(error, 'EADDRINUSE')) return false;
    throw new PosternError(
      'POSTERN_E_STATE_DIR',
      `the control socket ${path} cannot be made (${reasonOf(error)}); ` +
        'a shorter --state-dir helps if the path is too long',
      { cause: error },
    );
  }
}

function isAnswering(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
