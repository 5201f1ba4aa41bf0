import type { Log } from '../log/types.js';

/** `PID:ROLE DAY MONTH YEAR TIME LEVEL TEXT`, as redis-server writes it. */
const LINE = /^\d+:[A-Z] \d+ \w+ \d+ [\d:.]+ ([.\-*#]) (.*)$/;

/** Its signal handler writes lines of another form: `PID:signal-handler (TIME) TEXT`. */
const SIGNAL_LINE = /^\d+:signal-handler \(\d+\) (.*)$/;

/** What redis-server marks as a warning in every healthy life. */
const ROUTINE = [
  /^Reading config from stdin$/,
  /oO0OoO0OoO0Oo/,
  /^Redis version=/,
  /^Configuration loaded$/,
  /^WARNING Memory overcommit/,
  /^Server initialized$/,
  /^User requested shutdown/,
  /^Redis is now ready to exit/,
  /^Received SIGTERM/,
  /^Removing the unix socket file/,
];

/** Passes one line of redis-server to the log. Returns the text if it is a warning. */
export function logServerLine(log: Log, line: string): string | undefined {
  const [, level, text] = LINE.exec(line) ?? [];
  // Without its own prefix it comes from setpriv, flock or a crash report: worth a warning.
  const message = text ?? SIGNAL_LINE.exec(line)?.[1] ?? line.trim();
  if (message === '') return undefined;
  if (level === '#' || level === undefined) {
    if (!ROUTINE.some((pattern) => pattern.test(message))) {
      log.warn({ redis: message }, 'redis-server warns');
      return message;
    }
  }
  log.debug({ redis: message }, 'redis-server');
  return undefined;
}
