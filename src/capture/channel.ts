/**
 * The socket pair on which core and sensor talk, in JSON lines. Not Node's own IPC: there a single
 * line that is no JSON, or that looks like one of Node's internal messages, throws in the core, and
 * an endless one fills its memory. A sensor that was taken over could write any of them.
 */
import type { Duplex } from 'node:stream';
import { LineCutter } from '../line-cutter.js';
import type { OpenMessage, SensorMessage } from './messages.js';

/** The descriptor of the sensor's end. */
export const CHANNEL_FD = 3;

/** Filters of thousands of terms are long; what a sensor says is not. */
const MAX_BYTES = { fromCore: 16 * 1024 * 1024, fromSensor: 4096 };

export interface ChannelOptions {
  readonly from: keyof typeof MAX_BYTES;
  /** A message is any JSON value. */
  readonly onMessage: (value: unknown) => void;
  /** What came is no message; nothing more is read. */
  readonly onNonsense: () => void;
}

/** Hears the other side. Errors of the socket end it; its end is heard elsewhere. */
export function hearChannel(socket: Duplex, options: ChannelOptions): void {
  const { from, onMessage, onNonsense } = options;
  const cutter = new LineCutter(MAX_BYTES[from]);
  const giveUp = () => {
    socket.removeListener('data', hear);
    socket.pause();
    onNonsense();
  };
  const hear = (chunk: Buffer) => {
    const values = cutter.push(chunk)?.map(parseJson);
    if (values === undefined || values.includes(undefined)) giveUp();
    else values.forEach(onMessage);
  };
  socket.on('error', () => {});
  socket.on('data', hear);
}

/** `then` is told whether it went out. */
export function sayOnChannel(
  socket: Duplex,
  message: OpenMessage | SensorMessage,
  then: (isSent: boolean) => void = () => {},
): void {
  socket.write(`${JSON.stringify(message)}\n`, (error) => then(!error));
}

/** No JSON text says undefined. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
