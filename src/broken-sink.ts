/**
 * What stands in for a sink that cannot be loaded. Nobody is locked out for it: the other sinks of a
 * door do their work, and what this one should have done fails with the reason, until a reload finds
 * it mended.
 */
import type { SinkEvent, SinkSettings } from '../sinks/settings.js';
import type { DeliveryPolicy, Sink, SinkGrant } from '../sinks/types.js';
import { PosternError } from './errors.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** Somebody has to see it and mend it: soon again at first, then every hour, for a day. */
const UNTIL_MENDED: DeliveryPolicy = {
  retryAfterMs(attempt, _error, ageMs) {
    return ageMs > 24 * HOUR_MS ? undefined : Math.min(MINUTE_MS * 2 ** (attempt - 1), HOUR_MS);
  },
};

export function brokenSink(settings: SinkSettings, reason: string): Sink {
  const fail = async () => {
    throw new PosternError('POSTERN_E_SINK', reason);
  };
  const { name } = settings;
  if (settings.kind === 'module') return brokenModule(name, fail);
  const isTold = (event: SinkEvent) => settings.events.includes(event);
  return {
    name,
    delivery: UNTIL_MENDED,
    // What it is not told of is done at once, as when it works.
    open: isTold('open') ? fail : async () => {},
    ...(isTold('close') && { close: fail }),
    ...(isTold('failed') && { failed: fail }),
  };
}

/** What it has not opened is closed; what it opened while it worked cannot be closed now. */
function brokenModule(name: string, fail: () => Promise<void>): Sink {
  const refused = new Set<string>();
  return {
    name,
    open({ id }: SinkGrant) {
      refused.add(id);
      return fail();
    },
    async close({ id }: SinkGrant) {
      if (!refused.delete(id)) await fail();
    },
  };
}
