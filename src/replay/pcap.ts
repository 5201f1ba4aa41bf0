/** Capture files as a stream of frames, however large the file. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { addAbortSignal, type Readable } from 'node:stream';
import { reasonOf } from '../errors.js';
import { ByteQueue } from './byte-queue.js';
import { convert } from './convert.js';
import {
  type CapturedFrame,
  FILE_HEADER_BYTES,
  readFormat,
  readFrames,
  unreadable,
} from './frames.js';

export type { CapturedFrame } from './frames.js';

export interface ReadCaptureOptions {
  /** Ends the reading; the iteration then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Bytes of the file read so far, and its size where that is known. */
  readonly onProgress?: (doneBytes: number, totalBytes: number | undefined) => void;
  /** Told of what was wrong but did not stop the reading: a file that is cut short. */
  readonly onWarning?: (message: string) => void;
  /** Read in place of the process's standard input when the path is `-`. */
  readonly stdin?: Readable;
  /** The program that converts pcapng; `tcpdump` by default. */
  readonly converter?: string;
}

const CHUNK_BYTES = 256 * 1024;
const PCAPNG_MAGIC = 0x0a0d0d0a;

/**
 * The frames of a capture file, in the file's order: pcap in both byte orders with microseconds or
 * nanoseconds, and pcapng through tcpdump. `-` is standard input. A frame is a view of a buffer that
 * nobody writes to again. Throws POSTERN_E_REPLAY when the file cannot be read or understood.
 */
export async function* readCapture(
  path: string,
  options: ReadCaptureOptions = {},
): AsyncGenerator<CapturedFrame> {
  const { signal, stdin = process.stdin } = options;
  const name = path === '-' ? 'standard input' : path;
  // First the size: a stream whose file is not there fails at once, and nobody would be listening.
  const size = path === '-' ? undefined : await sizeOf(path);
  const stream = path === '-' ? stdin : createReadStream(path, { highWaterMark: CHUNK_BYTES });
  if (signal !== undefined) addAbortSignal(signal, stream);
  const source = readBytes(stream, size, name, options);
  try {
    yield* decode(name, new ByteQueue(source), options);
  } finally {
    // First the stream: a read that waits for a pipe would hold the generator's return.
    stream.destroy();
    await source.return(undefined);
  }
}

async function* decode(
  name: string,
  bytes: ByteQueue,
  { onWarning = () => undefined, converter }: ReadCaptureOptions,
): AsyncGenerator<CapturedFrame> {
  const header = await bytes.take(FILE_HEADER_BYTES);
  if (header.length < 4 || header.readUInt32BE(0) !== PCAPNG_MAGIC)
    return yield* readFrames(name, readFormat(name, header), bytes, onWarning);
  const converted = convert(name, replay(header, bytes), converter);
  try {
    const classic = new ByteQueue(converted);
    const format = readFormat(name, await classic.take(FILE_HEADER_BYTES));
    yield* readFrames(name, format, classic, onWarning);
  } finally {
    await converted.return(undefined);
  }
}

/** What was taken already, then the rest. */
async function* replay(head: Uint8Array, rest: ByteQueue): AsyncGenerator<Uint8Array> {
  yield head;
  for (;;) {
    const chunk = await rest.take(CHUNK_BYTES);
    if (chunk.length === 0) return;
    yield chunk;
  }
}

async function* readBytes(
  stream: AsyncIterable<Uint8Array>,
  totalBytes: number | undefined,
  name: string,
  { signal, onProgress }: ReadCaptureOptions,
): AsyncGenerator<Uint8Array, undefined> {
  let done = 0;
  try {
    for await (const chunk of stream) {
      yield chunk;
      done += chunk.length;
      onProgress?.(done, totalBytes);
    }
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw unreadable(name, reasonOf(error), error);
  }
  return undefined;
}

/** Undefined when it has none (a pipe) or is not there: reading it then says why. */
async function sizeOf(path: string): Promise<number | undefined> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() ? found.size : undefined;
}
