/**
 * Runs in the client's namespace: knocks from any of its addresses, and tries every watched service
 * over and over, so that a test knows from outside when which door was open. Started by `client.ts`.
 */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Attempt, Disturbing, Knocking, Orders, Watching } from './client.js';

const HIT_EVERY_MS = 20;
/** A service that is dropped rather than refused is given up after this. */
const PATIENCE_MS = 250;

process.on('message', (orders: Orders) => {
  if ('knock' in orders) void knock(orders.knock);
  else if ('disturb' in orders) disturb(orders.disturb);
  else watchAll(orders.watch);
});
process.on('disconnect', () => process.exit(0));

async function knock({ id, source, server, ports }: Knocking): Promise<void> {
  for (const port of ports) {
    // One SYN: a closed port answers at once, and nothing is sent again.
    void tryOnce(source, server, port);
    await sleep(HIT_EVERY_MS);
  }
  process.send?.({ knocked: id });
}

function watchAll(watching: Watching): void {
  for (const source of watching.sources) {
    for (const port of watching.ports) void watch(source, port, watching);
  }
}

async function watch(source: string, port: number, { server, everyMs }: Watching): Promise<never> {
  for (;;) {
    const next = sleep(everyMs);
    const fromMs = Date.now();
    const open = await tryOnce(source, server, port);
    const attempt: Attempt = { source, port, open, fromMs, toMs: Date.now() };
    process.send?.({ attempt });
    await next;
  }
}

let disturbing: NodeJS.Timeout | undefined;

function disturb({ source, server }: Disturbing): void {
  clearInterval(disturbing);
  const socket = createSocket('udp4');
  // Nothing is said of packets that cannot be sent: the link is away.
  socket.on('error', () => {});
  socket.bind(0, source);
  disturbing = setInterval(() => {
    for (let port = 20_000; port < 20_003; port += 1) socket.send('x', port, server, () => {});
  }, 10);
}

function tryOnce(source: string, host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, localAddress: source });
    const finish = (open: boolean) => {
      if (open) socket.resetAndDestroy();
      else socket.destroy();
      resolve(open);
    };
    socket.setTimeout(PATIENCE_MS, () => finish(false));
    socket.once('connect', () => finish(true));
    socket.once('error', () => finish(false));
  });
}
