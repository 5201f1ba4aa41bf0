/**
 * Runs in a network where every address leads to this process, and sends webhooks to all of them:
 * what is not public must not get a connection. Prints what happened as JSON.
 *
 *     node anywhere.js DIR      DIR: a folder with the file `secret`
 */
import type { LookupAddress } from 'node:dns';
import { join } from 'node:path';
import { resolveName } from '../../../sinks/resolve.js';
import type { WebhookSettings } from '../../../sinks/settings.js';
import { createWebhook } from '../../../sinks/webhook/webhook.js';
import { silentLog } from '../../../src/log/types.js';
import { GRANT } from './bench.js';
import { lookupAddresses, PRIVATE_URLS, PUBLIC } from './corpus.js';
import { answers, Receiver } from './receiver.js';

const [dir = '.'] = process.argv.slice(2);
const receiver = await new Receiver().listen('::');

/** What the test asserts on. */
export interface Anywhere {
  /** Of each URL that must not be reached, why it was not; `delivered` if it was. */
  readonly refusals: Record<string, string>;
  readonly connectionsWhenRefused: number;
  /** URLs that are reached when they may be: how the test would notice. */
  readonly reachable: readonly string[];
  readonly publicly: string;
  readonly rebinding: {
    readonly outcomes: readonly string[];
    readonly connectedTo: readonly string[];
  };
  readonly redirect: { readonly outcome: string; readonly connections: number };
  readonly unanswered: {
    readonly overdue: string;
    readonly cancelledMs: number;
    readonly nextAddress: string;
    readonly farAddress: string;
  };
}

type Resolve = (hostname: string) => Promise<readonly LookupAddress[]>;

function settings(url: string, changes: Partial<WebhookSettings>): WebhookSettings {
  return {
    kind: 'webhook',
    name: 'webhook:ops',
    line: 1,
    url: url.replace('PORT', String(receiver.port)),
    secretFile: join(dir, 'secret'),
    events: ['open'],
    timeoutMs: 3000,
    privateTargets: false,
    ...changes,
  };
}

async function outcome(
  url: string,
  resolve: Resolve,
  changes: Partial<WebhookSettings> = {},
  signal = new AbortController().signal,
): Promise<string> {
  try {
    const sink = await createWebhook(settings(url, changes), { log: silentLog, resolve });
    await sink.open(GRANT, signal);
    return 'delivered';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const resolverOf = (addresses: readonly string[] | undefined): Resolve =>
  addresses === undefined ? resolveName : async () => lookupAddresses(addresses);
const named = (...addresses: string[]) => resolverOf(addresses);

async function refusals(): Promise<Record<string, string>> {
  const all: Record<string, string> = {};
  for (const { url, addresses } of PRIVATE_URLS)
    all[url] = await outcome(url, resolverOf(addresses));
  return all;
}

async function reachable(): Promise<string[]> {
  const reached: string[] = [];
  for (const { url, addresses } of PRIVATE_URLS) {
    const changes = { privateTargets: true, timeoutMs: 500 };
    if ((await outcome(url, resolverOf(addresses), changes)) === 'delivered') reached.push(url);
  }
  return reached;
}

/** A name server that gives a public address when it is asked first, and another one afterwards. */
async function rebinding(): Promise<Anywhere['rebinding']> {
  let asked = 0;
  const resolve: Resolve = async () => {
    asked += 1;
    return lookupAddresses([asked === 1 ? PUBLIC : '127.0.0.1']);
  };
  const connectedTo: string[] = [];
  receiver.behaviours = [
    (socket, request) => {
      connectedTo.push(socket.localAddress ?? '?');
      answers('204 No Content')(socket, request);
    },
  ];
  const url = 'http://rebinding.test:PORT/';
  const outcomes = [await outcome(url, resolve), await outcome(url, resolve)];
  receiver.behaviours = [answers('204 No Content')];
  return { outcomes, connectedTo };
}

async function redirect(): Promise<Anywhere['redirect']> {
  const inside = await new Receiver().listen('::');
  receiver.behaviours = [
    answers('307 Temporary Redirect', [`Location: http://10.0.0.1:${inside.port}/`]),
  ];
  const said = await outcome(`http://${PUBLIC}:PORT/`, resolveName);
  receiver.behaviours = [answers('204 No Content')];
  await inside.close();
  return { outcome: said, connections: inside.connections };
}

/** Port 9, and 9.9.9.7 as a whole, drop what comes; 9.9.9.6 the first packet, so it takes a second. */
async function unanswered(): Promise<Anywhere['unanswered']> {
  const url = `http://${PUBLIC}:9/`;
  const overdue = await outcome(url, resolveName, { timeoutMs: 300 });
  const abort = new AbortController();
  const cancelled = outcome(url, resolveName, {}, abort.signal);
  // Connecting: it has been for longer than anything before it takes.
  await new Promise((resolve) => setTimeout(resolve, 100));
  const startedAt = performance.now();
  abort.abort(new Error('cancelled'));
  const said = await cancelled;
  const cancelledMs = said === 'cancelled' ? performance.now() - startedAt : Number.NaN;
  const nextAddress = await outcome('http://two.test:PORT/', named('9.9.9.7', PUBLIC));
  const changes = { timeoutMs: 8000 };
  const farAddress = await outcome('http://far.test:PORT/', named('9.9.9.6', '9.9.9.7'), changes);
  return { overdue, cancelledMs, nextAddress, farAddress };
}

const refused = await refusals();
// Accepted in their order: one that was begun before is counted by now.
await outcome(`http://${PUBLIC}:PORT/`, resolveName);
const result: Anywhere = {
  refusals: refused,
  connectionsWhenRefused: receiver.connections - 1,
  reachable: await reachable(),
  publicly: await outcome('http://public.test:PORT/', named(PUBLIC, '2606:4700:4700::1111')),
  rebinding: await rebinding(),
  redirect: await redirect(),
  unanswered: await unanswered(),
};
await receiver.close();
process.stdout.write(JSON.stringify(result));
