/**
 * The sensor: a process of its own that captures on one interface and writes records to stdout
 * (DESIGN 1). Its core tells it what to open over their channel; it dies with its core.
 */
import { Socket } from 'node:net';
import type cap from 'cap';
import { monotonicMs } from '../clock.js';
import { reasonOf } from '../errors.js';
import { RecordBatch } from './batch.js';
import { CHANNEL_FD, hearChannel, sayOnChannel } from './channel.js';
import { type OpenMessage, parseOpenMessage, type SensorMessage } from './messages.js';
import { Outlet, writeSome } from './outlet.js';
import { Overlap } from './overlap.js';
import { type LinkType, newParsedFrame, parseFrame } from './parse.js';
import { RECORD_BYTES } from './record.js';

type Cap = InstanceType<typeof cap.Cap>;
type Request = OpenMessage['open'];

/** How long an old and a new capture run side by side, and how long after that they are compared. */
const OVERLAP_MS = 20;
const STATS_EVERY_MS = 1000;
const STDOUT_FD = 1;

/** What `cap` calls the link types that postern reads. */
const LINK_TYPES = new Map<string, LinkType>([
  ['ETHERNET', 'ethernet'],
  ['LINKTYPE_LINUX_SLL', 'cooked'],
  ['RAW', 'raw'],
  ['NULL', 'null'],
]);

/** `cap` copies every frame here; it must outlive every capture. 65535 is `cap`'s snaplen. */
const frame = Buffer.alloc(65_535);
/** Every capture ever opened: collecting one, closed or not, corrupts the event loop. */
const held: Cap[] = [];

const parsed = newParsedFrame();
const stats = { frames: 0, malformed: 0, records: 0, dropped: 0 };
let reportedFrames = -1;

/** For its side effect alone: the descriptor does not block from now on. */
const stdout = new Socket({ fd: STDOUT_FD, readable: false, writable: true });
stdout.on('error', () => process.exit(0));
const outlet = new Outlet({
  write: writeToCore,
  onDropped: (bytes) => {
    stats.dropped += bytes / RECORD_BYTES;
  },
});
const batch = new RecordBatch((bytes) => outlet.send(bytes), monotonicMs);

let current: Cap | undefined;
let overlap: Overlap | undefined;
let next: Request | undefined;
let changing = false;

const channel = new Socket({ fd: CHANNEL_FD, readable: true, writable: true });
channel.on('close', () => process.exit(0));
hearChannel(channel, {
  from: 'fromCore',
  onMessage(message) {
    const request = parseOpenMessage(message);
    if (request !== undefined) change(request).catch(fail);
  },
  onNonsense: () => process.exit(1),
});
setInterval(report, STATS_EVERY_MS);

/** Opens what is asked; a request that comes in during a change waits, and only the last counts. */
async function change(request: Request): Promise<void> {
  next = request;
  if (changing) return;
  changing = true;
  const { Cap } = await loadCap();
  for (let wanted: Request | undefined = next; wanted !== undefined; wanted = next) {
    next = undefined;
    await replace(new Cap(), wanted);
  }
  changing = false;
}

async function replace(opened: Cap, request: Request): Promise<void> {
  const old = current;
  current = opened;
  if (old !== undefined) overlap = new Overlap();
  open(opened, request);
  if (old === undefined) return;
  // A side is drained once its poll callback ran: the one that follows the timer.
  await drained(OVERLAP_MS);
  old.close();
  await drained(OVERLAP_MS);
  overlap = undefined;
}

function open(opened: Cap, request: Request): void {
  held.push(opened);
  const linkName = opened.open(request.interface, request.filter, request.bufferBytes, frame);
  const link = LINK_TYPES.get(linkName);
  if (link === undefined) throw new Error(`its link type is not supported (${linkName})`);
  opened.on('packet', (bytes) => {
    const side = opened === current ? 'new' : 'old';
    if (overlap?.isFirst(side, frame, bytes) !== false) take(link, bytes);
  });
  tell({ listening: { id: request.id, linkType: link } });
}

async function loadCap(): Promise<typeof cap> {
  try {
    return (await import('cap')).default;
  } catch (error) {
    tell({ failed: { reason: reasonOf(error), missing: true } }, () => process.exit(1));
    return new Promise(() => {});
  }
}

function take(link: LinkType, bytes: number): void {
  stats.frames += 1;
  const verdict = parseFrame(link, frame, parsed, bytes);
  if (verdict === 'malformed') stats.malformed += 1;
  if (verdict !== 'packet') return;
  // `any` sees a tagged packet again, without the tag, on the VLAN's own interface.
  if (link === 'cooked' && parsed.vlan !== 0) return;
  stats.records += 1;
  batch.add(parsed, monotonicMs());
}

function writeToCore(bytes: Buffer): number {
  try {
    return writeSome(STDOUT_FD, bytes);
  } catch {
    // The core is gone.
    process.exit(0);
  }
}

function report(): void {
  if (stats.frames === reportedFrames) return;
  reportedFrames = stats.frames;
  tell({ stats });
}

function fail(error: unknown): void {
  tell({ failed: { reason: reasonOf(error), missing: false } }, () => process.exit(1));
}

/** Says it to the core; without a core there is nothing left to do. */
function tell(message: SensorMessage, then: () => void = () => {}): void {
  sayOnChannel(channel, message, (isSent) => {
    if (!isSent) process.exit(0);
    then();
  });
}

function drained(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(() => setImmediate(resolve), ms));
}
