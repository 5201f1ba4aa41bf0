import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { Socket } from 'node:net';
import type { Knock } from '../../machines/types.js';
import { hasRoute } from './neighbour.js';
import { type Address, codeOf } from './resolve.js';

/** What connect(2) says both without a route and on an ICMP "unreachable", a reject for example. */
const UNREACHABLE: ReadonlySet<string> = new Set(['ENETUNREACH', 'EHOSTUNREACH']);

/** knock(1) sends the empty string with its terminating zero. */
const PAYLOAD = new Uint8Array(1);

/**
 * Hands one packet to the network. Resolves once the system call that sends it has returned, so
 * that hits sent one after the other are on the wire in that order, with undefined, or with the
 * code of the system error that kept it from being sent (`ENETUNREACH`, `EPERM`).
 */
export function sendHit(to: Address, hit: Knock): Promise<string | undefined> {
  return hit.protocol === 'tcp' ? sendSyn(to, hit.port) : sendDatagram(to, hit.port);
}

/**
 * One SYN and nothing after it. Node cannot set TCP_SYNCNT; so the socket is closed as soon as
 * connect(2) has returned, as knock(1) does it. Linux keeps a SYN that waits for its neighbour's
 * address although its socket is closed, and only an open socket retransmits (after one second).
 */
async function sendSyn(to: Address, port: number): Promise<string | undefined> {
  const socket = new Socket();
  // Whatever arrives after connect(2) is the network's answer: then the SYN has left.
  socket.on('error', () => undefined);
  const attempt = once(socket, 'connectionAttempt');
  socket.connect({ host: to.address, port, family: to.family });
  await attempt;
  await new Promise<void>((done) => process.nextTick(done));
  const { errored } = socket;
  socket.destroy();
  if (errored === null) return undefined;
  const code = codeOf(errored);
  // A neighbour on the same machine (a container) can have answered before connect(2) returned.
  return UNREACHABLE.has(code) && (await hasRoute(to)) ? undefined : code;
}

function sendDatagram({ address, family }: Address, port: number): Promise<string | undefined> {
  const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
  return new Promise((resolve) => {
    const finish = (error: Error | null) => {
      socket.close();
      resolve(error === null ? undefined : codeOf(error));
    };
    socket.once('error', finish);
    socket.send(PAYLOAD, port, address, (error) => {
      socket.off('error', finish);
      finish(error);
    });
  });
}
