/** What tests say about when a grant closes. */
import assert from 'node:assert/strict';
import { poll } from '../support/poll.js';
import type { Running, TestHost } from './host.js';

/**
 * It was told that it closes so long after it was accepted, and was closed then. What its start
 * command took comes on top (G1); how much of the way to its end that was, the machine decides.
 */
export async function assertClosedAfter(
  host: TestHost,
  running: Running,
  ms: number,
  startMs = 0,
): Promise<void> {
  const [opened] = await host.eventsOf(running, 'Opened');
  const completed = (await host.events(running)).find(({ type }) => type === 'Completed');
  assert.ok(completed && opened?.until);
  const toldMs = opened.until - completed.atMs;
  const startedMs = opened.atMs - completed.atMs;
  assert.ok(toldMs >= ms + startMs - 20, `${toldMs} ms is less than ${ms} and the start`);
  assert.ok(toldMs <= ms + startedMs + 20, `${toldMs} ms is more than ${ms} and ${startedMs}`);
  await assertClosedOnTime(host, running);
}

/** It was told that it is open for so long, counted from the end of its start command. */
export async function assertOpenFor(host: TestHost, running: Running, ms: number): Promise<void> {
  const [opened] = await host.eventsOf(running, 'Opened');
  assert.ok(opened?.until);
  assertNear(opened.until - opened.atMs, ms, 20);
  await assertClosedOnTime(host, running);
}

export async function assertClosedOnTime(host: TestHost, running: Running): Promise<void> {
  await poll(() => running.grants.status().length === 0, 'no grant is live', 8000);
  const [opened] = await host.eventsOf(running, 'Opened');
  const [closing] = await host.eventsOf(running, 'Closing');
  const lateMs = (closing?.atMs ?? 0) - (opened?.until ?? 0);
  assert.ok(lateMs >= -10 && lateMs < 250, `${lateMs} ms late`);
}

export function assertNear(actualMs: number, expectedMs: number, withinMs = 100): void {
  assert.ok(Math.abs(actualMs - expectedMs) <= withinMs, `${actualMs} ms, not ${expectedMs}`);
}
