import { isatty } from 'node:tty';
import { type DestinationStream, destination, pino } from 'pino';
import { escapeControls } from '../../config/diagnostics.js';
import { escapeFields } from './escape-fields.js';
import type { Log } from './types.js';

export interface ServiceLogOptions {
  /** `debug` for `-D`. Secrets stay out at every level (DESIGN 9). */
  readonly level?: 'debug' | 'info' | 'warn' | 'error';
  /** File descriptor; 2 (standard error) by default. */
  readonly fd?: number;
  /** Lines for people rather than JSON; by default when the descriptor is a terminal. */
  readonly pretty?: boolean;
}

/**
 * The service's own log: one JSON object a line, or lines for people on a terminal. Every line has
 * been written when the call returns, so that none is lost at an exit. Never throws.
 */
export async function createServiceLog(options: ServiceLogOptions = {}): Promise<Log> {
  const { level = 'info', fd = 2, pretty = isatty(fd) } = options;
  const out = destination({ dest: fd, sync: true });
  // The reader went away; there is nowhere left to say so.
  out.on('error', () => undefined);
  const stream = pretty ? await prettyStream(out, isatty(fd)) : out;
  const logger = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, stream);
  const at = (name: 'debug' | 'info' | 'warn' | 'error') => (fields: object, message: string) => {
    if (logger.isLevelEnabled(name)) logger[name](escapeFields(fields), escapeControls(message));
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** Formatted here and not in pino's worker thread: a thread loses what it has at an exit. */
async function prettyStream(out: DestinationStream, colorize: boolean): Promise<DestinationStream> {
  // Only people at a terminal pay for it.
  const { prettyFactory } = await import('pino-pretty');
  const format = prettyFactory({
    colorize,
    singleLine: true,
    // Who and where first, in words; what only a program looks up is left to the JSON form.
    messageFormat: ({ door, source, msg }) => {
      const who = [door, source].filter((part) => part !== undefined).join(' for ');
      return who === '' ? String(msg) : `${who}: ${msg}`;
    },
    ignore: 'door,source,grant,command,stream',
    translateTime: 'SYS:HH:MM:ss',
    // Errors too stand on the line.
    errorLikeObjectKeys: [],
  });
  return { write: (line) => out.write(format(line)) };
}
