/** What core and sensor say to each other over the channel. Records go another way: the sensor's stdout. */

/** To the sensor: capture this from now on. The filter holds ports, so it never stands in argv. */
export interface OpenMessage {
  readonly open: {
    /** Counts up; the answer carries it. */
    readonly id: number;
    readonly interface: string;
    readonly filter: string;
    readonly bufferBytes: number;
  };
}

export interface SensorStats {
  /** Frames the kernel's filter let through. */
  readonly frames: number;
  readonly malformed: number;
  readonly records: number;
  /** Records that the core was too busy to take. */
  readonly dropped: number;
}

/** From the sensor. After `failed` it exits. */
export type SensorMessage =
  | { readonly listening: { readonly id: number; readonly linkType: string } }
  | {
      readonly failed: {
        readonly reason: string;
        /** Whether npm `cap` or libpcap itself is missing, which no retry mends. */
        readonly missing: boolean;
      };
    }
  | { readonly stats: SensorStats };

/** A sensor's message as a typed value; undefined for anything that is none. */
export function parseSensorMessage(value: unknown): SensorMessage | undefined {
  if (!isObject(value)) return undefined;
  const { listening, failed, stats } = value;
  if (isObject(listening)) {
    const { id, linkType } = listening;
    return isCount(id) && typeof linkType === 'string'
      ? { listening: { id, linkType } }
      : undefined;
  }
  if (isObject(failed)) {
    const { reason, missing } = failed;
    return typeof reason === 'string'
      ? { failed: { reason: reason.slice(0, 300), missing: missing === true } }
      : undefined;
  }
  if (!isObject(stats)) return undefined;
  const { frames, malformed, records, dropped } = stats;
  return isCount(frames) && isCount(malformed) && isCount(records) && isCount(dropped)
    ? { stats: { frames, malformed, records, dropped } }
    : undefined;
}

/** The core's request; undefined for anything else. */
export function parseOpenMessage(value: unknown): OpenMessage['open'] | undefined {
  if (!isObject(value) || !isObject(value['open'])) return undefined;
  const { id, interface: name, filter, bufferBytes } = value['open'];
  return isCount(id) &&
    typeof name === 'string' &&
    typeof filter === 'string' &&
    isCount(bufferBytes)
    ? { id, interface: name, filter, bufferBytes }
    : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
