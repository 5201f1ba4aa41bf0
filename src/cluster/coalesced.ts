/**
 * Does something for a key, once for all who asked since it last began: never twice at a time, and
 * always once more after the last who asked. Rejects, for each of them, as `act` does.
 */
export function coalesced(act: (key: string) => Promise<void>): (key: string) => Promise<void> {
  const running = new Map<string, Promise<void>>();
  const waiting = new Map<string, Promise<void>>();

  async function next(key: string): Promise<void> {
    await running.get(key)?.catch(() => undefined); // told to whoever asked for that one
    waiting.delete(key);
    const run = act(key);
    running.set(key, run);
    try {
      await run;
    } finally {
      if (running.get(key) === run) running.delete(key);
    }
  }

  return (key) => {
    const asked = waiting.get(key) ?? next(key);
    waiting.set(key, asked);
    return asked;
  };
}
