/** JSON lines over a socket: one JSON value a line. */
import type { Socket } from 'node:net';
import { PosternError } from '../errors.js';
import { LineCutter } from '../line-cutter.js';

/**
 * Every line as a JSON value, until the other side ends; the socket itself stays as it is. Throws on
 * a line that is not JSON.
 * @throws PosternError POSTERN_E_CONTROL on a line of more than `maxBytes`
 */
export async function* readJsonLines(
  socket: Socket,
  maxBytes = Number.POSITIVE_INFINITY,
): AsyncGenerator<unknown> {
  const cutter = new LineCutter(maxBytes);
  const chunks: AsyncIterable<Buffer> = socket.iterator({ destroyOnReturn: false });
  for await (const chunk of chunks) {
    const lines = cutter.push(chunk);
    if (lines === undefined)
      throw new PosternError('POSTERN_E_CONTROL', `a line may have ${maxBytes} bytes at most`);
    for (const line of lines) if (line !== '') yield JSON.parse(line);
  }
}

/** Resolves when the line was taken by the kernel, or the socket is gone. */
export function writeJsonLine(socket: Socket, value: unknown): Promise<void> {
  if (socket.destroyed) return Promise.resolve();
  return new Promise((resolve) => socket.write(`${JSON.stringify(value)}\n`, () => resolve()));
}
