/**
 * Runs in a client's namespace: knocks from any of its addresses and tries services, as it is told
 * by `client.ts`.
 */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Attempt, Hit, Knocking, Order, Report, Target, Watching } from './client.js';

process.on('message', (order: Order) => {
  if (order.do === 'knock') void knock(order);
  else if (order.do === 'try') void tryFor(order.id, order.target);
  else watchAll(order);
});
process.on('disconnect', () => process.exit(0));

function say(report: Report): void {
  process.send?.(report);
}

/** Each hit goes to all hosts within a fraction of a millisecond. */
async function knock({ id, hosts, source, hits, everyMs, patienceMs }: Knocking): Promise<void> {
  for (const [index, hit] of hits.entries()) {
    if (index > 0) await sleep(everyMs);
    for (const host of hosts) send({ host, source, patienceMs }, hit);
  }
  say({ id, open: true });
}

function send(to: Omit<Target, 'port'>, hit: Hit): void {
  const [port = '', protocol] = String(hit).split(':');
  // One SYN: a closed port answers at once, and one that is dropped is given up before TCP asks again.
  if (protocol !== 'udp') void connects({ ...to, port: Number(port) });
  else sendDatagram(to, Number(port));
}

function sendDatagram({ host, source }: Omit<Target, 'port'>, port: number): void {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  const close = () => socket.close();
  socket.on('error', close);
  socket.bind(0, source, () => socket.send('', port, host, close));
}

async function tryFor(id: number, target: Target): Promise<void> {
  say({ id, open: await connects(target) });
}

function watchAll({ targets, everyMs }: Watching): void {
  for (const target of targets) void watch(target, everyMs);
}

async function watch(target: Target, everyMs: number): Promise<never> {
  for (;;) {
    const next = sleep(everyMs);
    const fromMs = Date.now();
    const open = await connects(target);
    const { host, port, source } = target;
    const attempt: Attempt = { host, port, source, open, fromMs, toMs: Date.now() };
    say({ attempt });
    await next;
  }
}

function connects({ host, port, source, patienceMs }: Target): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, ...(source !== undefined && { localAddress: source }) });
    const finish = (open: boolean) => {
      // Without TIME_WAIT, so that any number of tries leaves ports to try from.
      if (open) socket.resetAndDestroy();
      else socket.destroy();
      resolve(open);
    };
    socket.setTimeout(patienceMs, () => finish(false));
    socket.once('connect', () => finish(true));
    socket.once('error', () => finish(false));
  });
}
