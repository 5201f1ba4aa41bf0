/** A capture alone in its process, to be run inside a network namespace: JSON lines in and out. */
import { createInterface } from 'node:readline';
import { createCapture } from '../../src/capture/capture.js';
import type { CaptureOptions, CapturePlan } from '../../src/capture/types.js';
import { reasonOf } from '../../src/errors.js';
import type { Log } from '../../src/log/types.js';

function say(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

const noted = (level: string) => (fields: object, text: string) =>
  say({ log: { level, text, ...fields } });
const log: Log = {
  debug: noted('debug'),
  info: noted('info'),
  warn: noted('warn'),
  error: noted('error'),
};

const options: CaptureOptions = JSON.parse(process.env['CAPTURE'] ?? '');
const capture = createCapture({ ...options, log });
capture.packets$.subscribe((packet) =>
  say({ packet, local: capture.host.isLocal(packet.destination, packet.interfaceIndex) }),
);
capture.status$.subscribe((status) => say({ status }));
try {
  await capture.start();
  say({ started: true });
} catch (error) {
  say({ error: reasonOf(error) });
}

for await (const line of createInterface(process.stdin)) {
  const plan: CapturePlan = JSON.parse(line);
  await capture.setPlan(plan);
  say({ planned: true });
}
await capture.stop();
say({ stopped: true });
