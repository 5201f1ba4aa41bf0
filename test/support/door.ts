import type { Door } from '../../config/types.js';

/** A door for tests: what matters to the test is given, the rest is harmless. */
export function testDoor(overrides: Partial<Door> = {}): Door {
  return {
    name: 'test',
    line: 1,
    sequence: { kind: 'fixed', knocks: [{ port: 7000, protocol: 'tcp' }] },
    seqTimeoutMs: 5000,
    tcpFlags: { required: 0, excluded: 0 },
    allow: [],
    killEstablished: false,
    sinks: [],
    cmdTimeoutMs: 10_000,
    reknock: 'extend',
    runOn: 'here',
    cooldownMs: 0,
    commandTimeoutMs: 60_000,
    stopRetries: 10,
    ...overrides,
  };
}
