/** `postern sink test NAME`: one call of one sink, without knock, queue and journal. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { escapeControls } from '../../config/diagnostics.js';
import { nearestDirective } from '../../config/directives.js';
import { loadConfiguration } from '../../config/load.js';
import { sinkNameOf } from '../../config/sink-names.js';
import type { Configuration } from '../../config/types.js';
import type { SinkEvent, SinkSettings } from '../../sinks/settings.js';
import type { Sink, SinkCall, SinkGrant } from '../../sinks/types.js';
import { createSink } from '../create-sink.js';
import { PosternError, reasonOf } from '../errors.js';
import type { Log } from '../log/types.js';
import { configurationErrors } from './configuration-errors.js';

export interface SinkTestOptions {
  readonly config: string;
  /** Absent: `open`, or the first that the sink is told of. */
  readonly event?: SinkEvent;
  readonly stdout: { write(text: string): unknown };
  /** What the sink itself has to say. */
  readonly stderr: { write(text: string): unknown };
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** For documentation (RFC 5737): nobody has it. */
const SOURCE = '192.0.2.1';

const OPEN_FOR_MS = 60_000;

/** A sink that does not hear the signal is left alone after that. */
const PATIENCE_MS = 1000;

/**
 * Makes the sink as the daemon does and calls it once, with a grant that says that it is a test. What
 * an acting sink opened is closed again. Says what came of it.
 * @throws PosternError POSTERN_E_CONFIG; POSTERN_E_SINK with the reason: no such sink, it cannot be
 *   loaded, is not told of the event, or failed
 */
export async function runSinkTest(name: string, options: SinkTestOptions): Promise<void> {
  const file = resolve(options.config);
  const { configuration, diagnostics } = await loadConfiguration(file);
  if (configuration === undefined) throw configurationErrors(file, diagnostics);
  const settings = findSink(name, configuration);
  const sink = await createSink(settings, plainLog(options.stderr));
  const event = options.event ?? firstEvent(settings);
  requireEvent(event, settings, sink);
  const call = testCall(event, configuration);
  await callOnce(sink, call, options);
  if (event === 'open' && sink.delivery === undefined && sink.close !== undefined)
    await callOnce(sink, { ...call, event: 'close', atMs: Date.now() }, options);
}

function findSink(name: string, { file, sinks }: Configuration): SinkSettings {
  const wanted = sinkNameOf(name) ?? name;
  const found = sinks.find((sink) => sink.name === wanted);
  if (found !== undefined) return found;
  const nearest = nearestDirective(sinks, wanted);
  const names = sinks.map((sink) => sink.name).join(', ');
  const hint =
    nearest === undefined
      ? names === ''
        ? 'it has none'
        : `there are: ${names}`
      : `did you mean ${nearest}?`;
  throw failed(`${file} has no sink "${name}"; ${hint}`);
}

function firstEvent(settings: SinkSettings): SinkEvent {
  if (settings.kind === 'module' || settings.events.includes('open')) return 'open';
  return settings.events[0] ?? 'open';
}

function requireEvent(event: SinkEvent, settings: SinkSettings, sink: Sink): void {
  const { name } = settings;
  if (settings.kind !== 'module' && !settings.events.includes(event))
    throw failed(`[${name}] is not told of ${event}: events = ${settings.events.join(', ')}`);
  if (sink[event] === undefined) throw failed(`[${name}] has nothing to do for ${event}`);
}

function testCall(event: SinkEvent, { options }: Configuration): SinkCall {
  const atMs = Date.now();
  const grant: SinkGrant = {
    id: `test-${randomBytes(6).toString('hex')}`,
    door: 'test',
    source: SOURCE,
    host: options.host ?? hostname(),
    untilMs: event === 'open' ? atMs + OPEN_FOR_MS : atMs,
    leftMs: event === 'open' ? OPEN_FOR_MS : 0,
    completedAtMs: atMs,
    atMs,
    isTest: true,
  };
  return { event, grant, atMs, ...(event === 'failed' && { reason: 'this is only a test' }) };
}

async function callOnce(sink: Sink, call: SinkCall, options: SinkTestOptions): Promise<void> {
  const { signal, stdout } = options;
  const begunMs = performance.now();
  const { event, grant } = call;
  const isTold = sink.delivery !== undefined;
  try {
    await untilAborted(made(sink, call, signal), signal);
  } catch (error) {
    const why = signal.aborted ? 'interrupted' : reasonOf(error);
    const done = isTold ? 'could not be told of' : 'could not do';
    throw failed(`[${sink.name}] ${done} ${event} of the grant ${grant.id}: ${why}`);
  }
  const tookMs = Math.round(performance.now() - begunMs);
  const done = isTold ? 'was told of' : 'did';
  stdout.write(
    `${escapeControls(`[${sink.name}] ${done} ${event} of the grant ${grant.id}, ${tookMs} ms`)}\n`,
  );
}

/** As the deliveries and the arbiter call it. */
async function made(sink: Sink, call: SinkCall, signal: AbortSignal): Promise<void> {
  const { event, grant, reason = '' } = call;
  if (sink.together !== undefined) await sink.together([call], signal);
  else if (event === 'failed') await sink.failed?.(grant, reason, signal);
  else if (event === 'close') await sink.close?.(grant, signal);
  else await sink.open(grant, signal);
}

async function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const given = new Promise<never>((_, reject) => {
    const giveUp = () => {
      timer = setTimeout(() => reject(new Error('interrupted')), PATIENCE_MS);
    };
    if (signal.aborted) giveUp();
    else signal.addEventListener('abort', giveUp, { once: true });
  });
  await Promise.race([work, given]).finally(() => clearTimeout(timer));
}

function failed(message: string): PosternError {
  return new PosternError('POSTERN_E_SINK', escapeControls(message));
}

/** A sink's own lines: what it warns of, and what a module says of itself. */
function plainLog(stderr: SinkTestOptions['stderr']): Log {
  const line = (level: string) => (fields: object, message: string) => {
    const more = Object.keys(fields).length > 0 ? ` ${JSON.stringify(fields)}` : '';
    stderr.write(`${escapeControls(`${level}: ${message}${more}`)}\n`);
  };
  return { debug() {}, info: line('info'), warn: line('warning'), error: line('error') };
}
