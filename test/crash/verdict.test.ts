import assert from 'node:assert/strict';
import type { Event } from '../support/daemon.js';
import { COMMAND_DOORS, KERNEL_DOORS } from './doors.js';
import { type Evidence, judge } from './verdict.js';

const SOURCE = '192.0.2.10';
const [quick, kernel] = [COMMAND_DOORS[0]!, KERNEL_DOORS[0]!];

/** A door's whole life, 1 s long, at the time 10 s. */
function life(door: string, sink: string): Event[] {
  const grant = 'host-1';
  return [
    { type: 'Opening', atMs: 10_000, grant, door, source: SOURCE, until: 71_000 },
    { type: 'Opened', atMs: 10_010, grant, sink, until: 11_010 },
    { type: 'Closing', atMs: 11_010, grant, cause: 'deadline' },
    { type: 'Closed', atMs: 11_020, grant, sink },
  ];
}

const sound: Evidence = {
  doors: [quick, kernel],
  events: life('quick', 'exec'),
  openings: [opening(quick.port, 10_005), opening(quick.port, 13_000)],
  starts: ['host-1'],
  stops: ['host-1', 'host-1'],
  absences: [],
  logs: '',
};

function opening(port: number, fromMs: number) {
  return { source: SOURCE, port, open: true, fromMs, toMs: fromMs + 5 };
}

const faults = (evidence: Partial<Evidence>) => judge({ ...sound, ...evidence }).faults.join('\n');
const without = (type: string) => sound.events.filter((event) => event.type !== type);

describe('the verdict of the crash tests', () => {
  it('finds nothing in a sound run, and says how late it was', () => {
    assert.deepEqual(judge(sound).faults, []);
    assert.equal(judge(sound).latestMs, 1990);
  });

  it('finds a door that is open more than 2 s after its deadline', () => {
    const openings = [opening(quick.port, 13_020)];
    assert.match(faults({ openings }), /open 2010 ms after its deadline/);
  });

  it('counts from the start that came after the deadline, unless the kernel times the door', () => {
    const absences = [{ fromMs: 10_500, toMs: 14_000 }];
    assert.equal(faults({ absences, openings: [opening(quick.port, 15_900)] }), '');
    assert.match(faults({ absences, openings: [opening(quick.port, 16_100)] }), /2100 ms/);
    const events = life('kernel', 'nftables');
    const openings = [opening(kernel.port, 13_100)];
    assert.match(faults({ absences, events, openings, starts: [] }), /open 2090 ms/);
  });

  it('finds a door that is open before, or without, a recorded grant', () => {
    assert.match(faults({ openings: [opening(quick.port, 9_000)] }), /without a recorded grant/);
    assert.match(faults({ openings: [opening(kernel.port, 10_500)] }), /without a recorded grant/);
  });

  it('knows a door that the kernel timed without the journal, by what postern said', () => {
    const said = { time: '1970-01-01T00:00:10.000Z', grant: 'g', door: 'kernel', source: SOURCE };
    const logs = JSON.stringify({ ...said, msg: 'done without the journal, which is away' });
    assert.equal(faults({ logs, openings: [opening(kernel.port, 10_500)] }), '');
    assert.match(faults({ logs, openings: [opening(kernel.port, 13_500)] }), /2500 ms/);
  });

  it('finds a start that is unrecorded or repeated, and a grant without its stop or its end', () => {
    assert.match(faults({ starts: ['host-1', 'host-2'] }), /host-2 started unrecorded/);
    assert.match(faults({ starts: ['host-1', 'host-1'] }), /host-1 was started twice/);
    assert.match(faults({ stops: [] }), /without its stop command/);
    assert.match(faults({ events: without('Closed') }), /never closed/);
  });
});
