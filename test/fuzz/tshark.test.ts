/**
 * T6 beside an oracle that is nobody's of ours: tshark. Skipped where it is not installed
 * (Debian: apt install tshark --no-install-recommends). `FUZZ_RUNS=100`: 100,000 frames a link type.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { newParsedFrame, parseFrame } from '../../src/capture/parse.js';
import { packetOf } from '../../src/capture/record.js';
import { LINK_NUMBERS, type Link, pcapOf } from '../capture/frames.js';
import { hostile, type Random, wellFormed } from '../capture/random.js';
import { fuzz } from './support.js';

const FIELDS = [
  ...['frame.protocols', 'ip.src', 'ip.dst', 'ipv6.src', 'ipv6.dst', 'tcp.srcport', 'tcp.dstport'],
  ...['tcp.flags', 'tcp.seq_raw', 'udp.srcport', 'udp.dstport'],
  ...['ipv6.routing.segleft', 'ipv6.plen', 'ip.flags.mf', 'udp.length', '_ws.malformed'],
];
/** Each field with its values, from the outermost header inwards. */
type Row = ReadonlyMap<string, readonly string[]>;

const run = promisify(execFile);

async function tsharkReads(link: Link, frames: readonly Buffer[]): Promise<readonly Row[]> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-tshark-'));
  try {
    const file = join(folder, 'frames.pcap');
    await writeFile(file, pcapOf(link, frames));
    const wanted = FIELDS.flatMap((field) => ['-e', field]);
    const off = ['ip.defragment', 'ipv6.defragment', 'tcp.analyze_sequence_numbers'];
    const options = off.flatMap((name) => ['-o', `${name}:FALSE`]);
    const argv = ['-n', '-r', file, '-T', 'fields', '-E', 'aggregator=,', ...options, ...wanted];
    const { stdout } = await run('tshark', argv, { maxBuffer: 2 ** 30 });
    const lines = stdout.split('\n').slice(0, -1);
    return lines.map((line) => {
      const values = line.split('\t');
      return new Map(FIELDS.map((field, at) => [field, (values[at] ?? '').split(',')]));
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** What tshark says, in the words of the parser's test; undefined where it says no ports. */
function told(row: Row): string | undefined {
  const of = (name: string) => row.get(name)?.[0] ?? '';
  const ends = `${of('ip.src') || of('ipv6.src')} > ${of('ip.dst') || of('ipv6.dst')}`;
  if (of('tcp.dstport') !== '') {
    const flags = Number(of('tcp.flags')) & 63;
    return `${ends} tcp ${of('tcp.srcport')} ${of('tcp.dstport')} ${flags} ${of('tcp.seq_raw')}`;
  }
  if (of('udp.dstport') === '') return undefined;
  return `${ends} udp ${of('udp.srcport')} ${of('udp.dstport')} 0 0`;
}

const out = newParsedFrame();

function ours(link: Link, frame: Buffer): string {
  const verdict = parseFrame(link, frame, out);
  if (verdict !== 'packet') return verdict;
  const { source, destination, protocol, sourcePort, port, flags, sequence } = packetOf(out, 0, 0);
  return `${source} > ${destination} ${protocol} ${sourcePort} ${port} ${flags} ${sequence}`;
}

/** More than anybody stacks: postern reads four tags, and eight IPv6 extension headers. */
function isTooDeep(link: Link, frame: Buffer, row: Row): boolean {
  const layers = row.get('frame.protocols')?.[0]?.split(':') ?? [];
  const headers = layers.filter((layer) => /^(ah|ipv6\..*)$/.test(layer));
  return tagsOf(link, frame) > (link === 'cooked2' ? 5 : 4) || headers.length > 8;
}

function isFragment(row: Row): boolean {
  const layers = row.get('frame.protocols')?.[0]?.split(':') ?? [];
  return layers.includes('ipv6.fraghdr') || row.get('ip.flags.mf')?.[0] === '1';
}

/** tshark shows two tags as one layer now and then. */
function tagsOf(link: Link, frame: Buffer): number {
  if (link === 'raw' || link === 'null') return 0;
  const isTag = (at: number) =>
    at + 2 <= frame.length && [0x8100, 0x88a8, 0x9100].includes(frame.readUInt16BE(at));
  let tags = link === 'cooked2' && isTag(0) ? 1 : 0;
  if (link === 'cooked2' && tags === 0) return 0;
  const first = { ethernet: 12, cooked: 14, cooked2: 22 }[link];
  for (let at = first; isTag(at); at += 4) tags += 1;
  return tags;
}

/** Why the two may differ about a frame; undefined: they may not. */
function reasonFor(link: Link, frame: Buffer, mine: string, theirs: string | undefined, row: Row) {
  if (theirs === undefined && !mine.includes('>')) return 'no ports';
  if (mine === theirs) return 'the same';
  if (mine.includes('>')) {
    if (theirs !== undefined) return undefined;
    // A length of 0 is what segmentation offload leaves; tshark knows that of IPv4 alone.
    if (row.get('ipv6.plen')?.includes('0')) return 'IPv6 without a length';
    // postern steps over their options without reading them.
    if (/ipv6\.(hopopts|dstopts)$/.test(row.get('frame.protocols')?.[0] ?? '')) return 'options';
    // Linux's own AF_INET6, 10, which tshark does not know.
    return link === 'null' && row.get('frame.protocols')?.[0] === 'null:data' ? 'AF 10' : undefined;
  }
  if (mine === 'ignored') return reasonToIgnore(link, frame, row);
  if (row.get('_ws.malformed')?.some((text) => text !== '')) return 'malformed to both';
  // tshark shows the ports of such a header, and nothing behind them.
  const isCutShort = row.get('tcp.dstport')?.[0] !== '' && row.get('tcp.flags')?.[0] === '';
  if (isCutShort || Number(row.get('udp.length')?.[0] || 8) < 8) return 'bogus length';
  // RFC 1858: its header is not whole; tshark takes it that the rest is in the next one.
  if (isFragment(row)) return 'tiny fragment';
  return isTooDeep(link, frame, row) ? 'too deep' : undefined;
}

function reasonToIgnore(link: Link, frame: Buffer, row: Row): string | undefined {
  if (row.get('ipv6.routing.segleft')?.some((left) => Number(left) > 0)) return 'routed on';
  // A protocol of its own, whose ports tshark shows under UDP's name.
  if (row.get('frame.protocols')?.[0]?.split(':').includes('udplite')) return 'UDP-Lite';
  // tshark looks at half of the four bytes.
  const isOdd = link === 'null' && frame.readUInt32LE(0) > 0xffff && frame.readUInt32BE(0) > 0xffff;
  return isOdd ? 'odd family' : undefined;
}

/** Frames of one link, half of them hostile. */
function framesOf(link: Link, random: Random, count: number): readonly Buffer[] {
  const frames: Buffer[] = [];
  while (frames.length < count) {
    const made = random.chance(2) ? hostile(random) : wellFormed(random, { links: [link] });
    if (made.link !== link || made.frame.length === 0) continue;
    // So that tshark understands most of them.
    if (link === 'null' && made.frame[0] === 10) made.frame[0] = 24;
    frames.push(made.frame);
  }
  return frames;
}

describe('the parser of frames beside tshark', () => {
  const totals = new Map<string, number>();
  const total = (counts: ReadonlyMap<string, number>) => {
    for (const [reason, count] of counts) totals.set(reason, (totals.get(reason) ?? 0) + count);
  };
  after(() => console.log(`      ${JSON.stringify([...totals])}`));
  before(async function () {
    try {
      await run('tshark', ['--version']);
    } catch {
      this.skip();
    }
  });

  for (const link of Object.keys(LINK_NUMBERS) as Link[])
    fuzz(`reads ${link} frames alike`, 1, async (random) => {
      const frames = framesOf(link, random, 1000);
      const rows = await tsharkReads(link, frames);
      assert.equal(rows.length, frames.length);
      const counts = new Map<string, number>();
      for (const [index, row] of rows.entries()) {
        const frame = frames[index] ?? Buffer.alloc(0);
        const [mine, theirs] = [ours(link, frame), told(row)];
        const reason = reasonFor(link, frame, mine, theirs, row);
        const all = JSON.stringify([...row.values()]);
        assert.ok(reason, `${mine}, tshark ${theirs}: ${all} ${frame.toString('hex')}`);
        counts.set(reason, (counts.get(reason) ?? 0) + 1);
      }
      const same = counts.get('the same') ?? 0;
      assert.ok(same > frames.length / 2, JSON.stringify([...counts]));
      total(counts);
    });
});
