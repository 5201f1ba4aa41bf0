/**
 * postern up to its completions, as a program: sensor, filter, parser and knockers, without journal
 * and doors' commands. `DIFF_POSTERN=pipeline` puts it in the daemon's place, to tell which half a
 * difference comes from. Arguments: interface, log file.
 */
import { appendFileSync } from 'node:fs';
import { DoorTable } from '../../machines/doors.js';
import { createCapture } from '../../src/capture/capture.js';
import { systemClock } from '../../src/clock.js';
import { liveKnocks } from '../../src/knocks/live.js';
import { silentLog } from '../../src/log/types.js';
import { MODEL_DOORS } from './doors.js';

const [on = '', logFile = ''] = process.argv.slice(2);
const capture = createCapture({
  interfaces: [on],
  plan: { doors: MODEL_DOORS, strays: false },
  bufferBytes: 16 * 1024 * 1024,
  user: 'nobody',
  log: silentLog,
});
const { events$ } = liveKnocks(capture.packets$, {
  table: new DoorTable(MODEL_DOORS, { strayLimit: 'off', scanLimit: 20, ignorePorts: [] }),
  host: capture.host,
  limits: { maxSources: 100_000, maxMachines: 10_000 },
  clock: systemClock,
});
const opening = events$.subscribe(({ kind, source, door }) => {
  if (kind === 'completed') appendFileSync(logFile, `${source}: ${door.name}: OPEN SESAME\n`);
});
await capture.start();
console.log('listening');
process.once('SIGTERM', () => {
  opening.unsubscribe();
  void capture.stop();
});
