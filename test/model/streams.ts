/**
 * Packet streams that bite: few ports, few sources, doors that share prefixes, and steps that
 * follow a door's sequence most of the time and stumble the rest. A recipe is small numbers only,
 * so that fast-check can shrink it and a seed can make it.
 */
import { TCP_FLAG } from '../../config/types.js';
import type { Knock, Packet } from '../../machines/types.js';
import type { HostView } from '../../src/capture/types.js';
import { type ModelDoor, type ModelRules, modelHost } from './types.js';

export interface DoorRecipe {
  readonly knocks: readonly { readonly port: number; readonly udp: boolean }[];
  readonly flags: number;
  readonly target: number;
  readonly timeout: number;
}

export interface StepRecipe {
  readonly source: number;
  readonly kind: number;
  readonly pick: number;
  readonly gap: number;
}

export interface StreamRecipe {
  readonly doors: readonly DoorRecipe[];
  readonly rules: { readonly strayLimit: number; readonly scanLimit: number };
  readonly steps: readonly StepRecipe[];
}

export interface Stream {
  readonly doors: readonly ModelDoor[];
  readonly rules: ModelRules;
  readonly host: HostView;
  readonly packets: readonly Packet[];
}

/** What a step does; the more often it stands here, the more often it comes. */
export const STEP_KINDS = [
  ...Array<'next'>(24).fill('next'),
  ...Array<'restart'>(4).fill('restart'),
  ...Array<'switchDoor'>(3).fill('switchDoor'),
  ...Array<'repeat'>(3).fill('repeat'),
  ...Array<'retransmit'>(3).fill('retransmit'),
  ...Array<'anyKnock'>(2).fill('anyKnock'),
  ...Array<'stray'>(4).fill('stray'),
  'retransmitOlder',
  'wrongFlags',
  'wrongProtocol',
  'elsewhere',
  'scan',
] as const;

export const PORT_ALPHABET = 5;
export const SOURCES = ['198.51.100.7', '198.51.100.8', 'fd00::9'] as const;
export const FLAG_RULES = [
  { required: 0, excluded: 0 },
  { required: TCP_FLAG.syn, excluded: 0 },
  { required: TCP_FLAG.syn, excluded: TCP_FLAG.ack },
] as const;
export const TIMEOUTS_MS = [1000, 2000, 5000] as const;
export const STRAY_LIMITS = [0, 1, 3, 'off'] as const;
export const SCAN_LIMITS = [2, 5, 20] as const;
/** Mostly at once; sometimes just before, at, and after the timeouts. */
export const GAPS_MS = [0, 1, 1, 2, 5, 5, 20, 40, 250, 333, 500, 999, 1000, 1001, 2600] as const;

const FIRST_PORT = 7001;
const FIRST_STRAY = 9001;
const STRAYS = 8;
/** Strays that are none: something listens on the one, the other stands in `ignore_ports`. */
const LISTENING: Knock = { port: FIRST_STRAY + STRAYS, protocol: 'tcp' };
const IGNORED = FIRST_STRAY + STRAYS + 1;
const LOCAL = { v4: ['192.0.2.1', '192.0.2.2'], v6: ['fd00::1', 'fd00::2'] };
const ELSEWHERE = { v4: '203.0.113.5', v6: 'fd00::beef' };
/** No target, a local address, and one that is not the interface's own. */
export const TARGETS = [undefined, undefined, undefined, LOCAL.v4[1], ELSEWHERE.v4] as const;
const START_MS = 1_700_000_000_500;

function pick<T>(values: readonly T[], index: number): T {
  const value = values[index % values.length];
  if (value === undefined && !(index % values.length in values)) throw new RangeError('empty');
  return value as T;
}

function doorOf(recipe: DoorRecipe, index: number): ModelDoor {
  const target = TARGETS[recipe.target % TARGETS.length];
  return {
    name: `door${index}`,
    knocks: recipe.knocks.map((knock) => ({
      port: FIRST_PORT + knock.port,
      protocol: knock.udp ? 'udp' : 'tcp',
    })),
    tcpFlags: pick(FLAG_RULES, recipe.flags),
    seqTimeoutMs: pick(TIMEOUTS_MS, recipe.timeout),
    ...(target === undefined ? {} : { target }),
  };
}

/** Where a source stands in what it means to send. */
interface Intent {
  door: number;
  stage: number;
  sequence: number;
  readonly sent: Packet[];
}

/** The stream that a recipe describes; the same recipe gives the same stream. */
export function streamOf(recipe: StreamRecipe): Stream {
  const doors = recipe.doors.map(doorOf);
  const rules: ModelRules = {
    strayLimit: pick(STRAY_LIMITS, recipe.rules.strayLimit),
    scanLimit: pick(SCAN_LIMITS, recipe.rules.scanLimit),
    ignorePorts: [{ from: IGNORED, to: IGNORED }],
  };
  const intents = new Map<string, Intent>();
  const packets: Packet[] = [];
  let atMs = START_MS;
  for (const step of recipe.steps) {
    atMs += pick(GAPS_MS, step.gap);
    const source = pick(SOURCES, step.source);
    const intent = intents.get(source) ?? { door: 0, stage: 0, sequence: 1000, sent: [] };
    intents.set(source, intent);
    for (const packet of packetsOf(step, doors, intent, source, atMs)) {
      intent.sent.push(packet);
      packets.push(packet);
    }
  }
  return { doors, rules, host: modelHost([...LOCAL.v4, ...LOCAL.v6], [LISTENING]), packets };
}

function packetsOf(
  step: StepRecipe,
  doors: readonly ModelDoor[],
  intent: Intent,
  source: string,
  atMs: number,
): Packet[] {
  const kind = pick(STEP_KINDS, step.kind);
  const make = (knock: Knock, change: Partial<Packet> = {}): Packet => {
    intent.sequence += 1;
    return plainPacket(knock, doors, intent, source, atMs, change);
  };
  const again = (packet: Packet | undefined): Packet[] =>
    packet === undefined ? [] : [{ ...packet, atMs }];
  const stray = (index: number): Knock => ({
    port: FIRST_STRAY + (index % (STRAYS + 2)),
    protocol: index % 5 === 4 ? 'udp' : 'tcp',
  });
  switch (kind) {
    case 'next':
      return [make(nextKnock(doors, intent))];
    case 'restart':
      intent.stage = 0;
      return [make(nextKnock(doors, intent))];
    case 'switchDoor':
      intent.door = step.pick % doors.length;
      intent.stage = step.pick % 3 === 0 ? 0 : intent.stage;
      return [make(nextKnock(doors, intent))];
    case 'repeat': {
      const last = intent.sent.at(-1);
      return last === undefined ? [] : [make(last)];
    }
    case 'retransmit':
      return again(intent.sent.at(-1));
    case 'retransmitOlder':
      return again(intent.sent.at(-2 - (step.pick % 3)));
    case 'anyKnock':
      return [make(knockAt(doors, step.pick))];
    case 'stray':
      return [make(stray(step.pick))];
    case 'scan':
      return Array.from({ length: 4 + (step.pick % 5) }, (_, i) => make(stray(step.pick + i)));
    case 'wrongFlags':
      return [make(knockAt(doors, step.pick), { flags: pick([0, TCP_FLAG.fin, 18], step.pick) })];
    case 'wrongProtocol': {
      const knock = nextKnock(doors, { ...intent });
      return [make({ ...knock, protocol: knock.protocol === 'tcp' ? 'udp' : 'tcp' })];
    }
    case 'elsewhere':
      return [make(knockAt(doors, step.pick), { destination: destination(source, step.pick) })];
  }
}

function destination(source: string, index: number): string {
  const v6 = source.includes(':');
  return pick(v6 ? [ELSEWHERE.v6, ...LOCAL.v6] : [ELSEWHERE.v4, ...LOCAL.v4], index);
}

/** The knock that the intent comes to next; it goes on to the next door after the last. */
function nextKnock(doors: readonly ModelDoor[], intent: Intent): Knock {
  const door = pick(doors, intent.door);
  const knock = door.knocks[intent.stage] ?? pick(door.knocks, 0);
  intent.stage = door.knocks[intent.stage] === undefined ? 1 : intent.stage + 1;
  return knock;
}

function knockAt(doors: readonly ModelDoor[], index: number): Knock {
  return pick(
    doors.flatMap((door) => door.knocks),
    index,
  );
}

/** A packet as a client that knows the door would send it. */
function plainPacket(
  knock: Knock,
  doors: readonly ModelDoor[],
  intent: Intent,
  source: string,
  atMs: number,
  change: Partial<Packet>,
): Packet {
  const tcp = knock.protocol === 'tcp';
  const wanted = pick(doors, intent.door).target;
  const local = source.includes(':') ? LOCAL.v6[0] : LOCAL.v4[0];
  return {
    atMs,
    source,
    destination: wanted !== undefined && !source.includes(':') ? wanted : (local ?? ''),
    protocol: knock.protocol,
    sourcePort: 40_000 + (intent.sequence % 3),
    port: knock.port,
    flags: tcp ? TCP_FLAG.syn : 0,
    sequence: tcp ? intent.sequence : 0,
    interfaceIndex: 0,
    ...change,
  };
}
