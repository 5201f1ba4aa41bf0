/** The program behind `traffic.ts`; runs inside the sender's namespace. */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import cap from 'cap';
import type { Job } from './traffic.js';

const job: Job = JSON.parse(process.env['JOB'] ?? '');

async function datagrams(ports: readonly number[]): Promise<void> {
  const socket = createSocket(job.address.includes(':') ? 'udp6' : 'udp4');
  const began = performance.now();
  for (const [i, port] of ports.entries()) {
    const late = began + i * (job.everyMs ?? 0) - performance.now();
    if (late > 0) await delay(late);
    await new Promise((resolve) => socket.send(String(i), port, job.address, resolve));
  }
  socket.close();
}

async function syn(port: number): Promise<void> {
  const socket = connect({ host: job.address, port });
  // Refused: the packet was sent all the same.
  socket.on('error', () => {});
  const closed = new Promise((resolve) => socket.once('close', resolve));
  const connected = new Promise((resolve) => socket.once('connect', resolve));
  await Promise.race([closed, connected, delay(200)]);
  socket.destroy();
}

function onTheWire(frames: readonly string[]): void {
  const wire = new cap.Cap();
  wire.open(
    job.interface ?? '',
    'ip src 0.0.0.0 and ip dst 0.0.0.0',
    1 << 20,
    Buffer.alloc(65_535),
  );
  for (const frame of frames) wire.send(Buffer.from(frame, 'hex'));
  wire.close();
  process.exit(0);
}

await datagrams(job.ports ?? []);
for (const port of job.connect ?? []) await syn(port);
if (job.frames !== undefined) onTheWire(job.frames);
