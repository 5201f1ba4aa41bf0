/** The part of a terminal that a progress bar needs: `process.stderr` fits. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export interface Progress {
  /** Bytes so far, of how many (undefined: unknown, as of a pipe). */
  update(doneBytes: number, totalBytes: number | undefined): void;
  /** Takes the bar away, so that what is printed next starts on a clean line. */
  end(): void;
}

const BETWEEN_MS = 100;
const CLEAR_LINE = '\r\u001b[K';
const MAX_BAR = 40;

/**
 * A progress bar, drawn at most ten times a second, on a terminal; silent anywhere else.
 * `now` gives milliseconds.
 */
export function createProgress(stream: ProgressStream, now = () => performance.now()): Progress {
  if (!stream.isTTY) return { update() {}, end() {} };
  let drawnAt = now();
  let drawn = false;
  return {
    update(doneBytes, totalBytes) {
      if (now() - drawnAt < BETWEEN_MS) return;
      drawnAt = now();
      drawn = true;
      stream.write(CLEAR_LINE + bar(doneBytes, totalBytes, stream.columns ?? 80));
    },
    end() {
      if (drawn) stream.write(CLEAR_LINE);
      drawn = false;
    },
  };
}

function bar(doneBytes: number, totalBytes: number | undefined, columns: number): string {
  if (!totalBytes) return mebibytes(doneBytes);
  const share = Math.min(1, doneBytes / totalBytes);
  const text = ` ${String(Math.floor(share * 100)).padStart(3)} % of ${mebibytes(totalBytes)}`;
  const width = Math.max(0, Math.min(MAX_BAR, columns - text.length - 3));
  const full = Math.round(share * width);
  return `[${'#'.repeat(full)}${' '.repeat(width - full)}]${text}`;
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
