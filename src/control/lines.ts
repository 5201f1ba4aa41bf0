/** JSON lines over a socket: one JSON value a line. */
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';

/** Every line as a JSON value, until the other side ends. Throws on a line that is not JSON. */
export async function* readJsonLines(socket: Socket): AsyncGenerator<unknown> {
  for await (const line of createInterface({
    input: socket,
    crlfDelay: Number.POSITIVE_INFINITY,
  })) {
    if (line !== '') yield JSON.parse(line);
  }
}

/** Resolves when the line was taken by the kernel, or the socket is gone. */
export function writeJsonLine(socket: Socket, value: unknown): Promise<void> {
  if (socket.destroyed) return Promise.resolve();
  return new Promise((resolve) => socket.write(`${JSON.stringify(value)}\n`, () => resolve()));
}
