import assert from 'node:assert/strict';
import type { SinkGrant } from '../../sinks/types.js';
import { Lane } from '../../src/deliveries/lane.js';
import type { Delivery } from '../../src/deliveries/types.js';
import type { EventOf } from '../../src/journal/events.js';
import { silentLog } from '../../src/log/types.js';
import { testDoor } from '../support/door.js';

const MOST = 10_000;

describe('what one sink is owed', () => {
  it('is bounded: with more, the oldest that is not being told is given up', () => {
    const door = testDoor();
    const told: SinkGrant[] = [];
    const noted: EventOf<'Delivered' | 'DeliveryFailed'>[] = [];
    let nowMs = 0;
    const sink = {
      name: 'webhook:ops',
      delivery: { retryAfterMs: () => undefined },
      open(grant: SinkGrant) {
        told.push(grant);
        return new Promise<void>(() => {});
      },
    };
    const lane = new Lane('webhook:ops', {
      clock: { now: () => nowMs, wall: () => nowMs },
      log: silentLog,
      sinksOf: () => [sink],
      remind: () => {},
      note: (event) => void noted.push(event),
      attemptMs: 1,
    });
    const delivery = (index: number): Delivery => {
      const names = { id: `g${index}`, door: 'test', source: '192.0.2.1', host: 'host' };
      const grant = { ...names, untilMs: null, leftMs: null };
      return {
        name: { grant: grant.id, sink: sink.name, event: 'open' },
        call: { event: 'open', grant, atMs: 0 },
        door,
        configuration: 'c1',
        eventId: `${index + 1}-0`,
      };
    };
    const fromMs = performance.now();
    for (let index = 0; index < MOST; index += 1) lane.owe(delivery(index));
    nowMs = 2000;
    lane.tick();
    assert.equal(told.length, 8);
    assert.equal(noted.length, 0);
    for (let index = MOST; index < MOST + 100; index += 1) lane.owe(delivery(index));
    lane.owe(delivery(MOST));
    assert.deepEqual(
      noted.map((event) => [event.type, event.grant]),
      Array.from({ length: 100 }, (_, index) => ['DeliveryFailed', `g${index + 8}`]),
    );
    assert.equal(lane.status()?.owed, MOST);
    assert.equal(lane.deliveries.length, MOST);
    const tookMs = performance.now() - fromMs;
    assert.ok(tookMs < 2000, `${tookMs} ms`);
    lane.stop();
    lane.breakOff();
  });
});
