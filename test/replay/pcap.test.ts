import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import fc from 'fast-check';
import { PosternError } from '../../src/errors.js';
import { type CapturedFrame, type ReadCaptureOptions, readCapture } from '../../src/replay/pcap.js';
import { pcap, pcapng, type Written } from './captures.js';

async function collect(frames: AsyncIterable<CapturedFrame>): Promise<CapturedFrame[]> {
  const all: CapturedFrame[] = [];
  for await (const frame of frames) all.push(frame);
  return all;
}

const fromPipe = (
  bytes: Uint8Array,
  options: ReadCaptureOptions = {},
  step = bytes.length || 1,
) => {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += step) pieces.push(bytes.subarray(at, at + step));
  return collect(readCapture('-', { ...options, stdin: Readable.from(pieces) }));
};

const FRAME = Uint8Array.from({ length: 60 }, (_, index) => index);
const RECORDS: Written[] = [
  { seconds: 1_700_000_000, fraction: 250_000, frame: FRAME },
  { seconds: 1_700_000_001, fraction: 1, frame: FRAME.subarray(0, 14) },
  { seconds: 4_294_967_295, fraction: 999_999, frame: new Uint8Array(0) },
];

describe('reading a capture file', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-pcap-'));
  });
  after(() => rm(folder, { recursive: true }));

  async function file(name: string, bytes: Uint8Array): Promise<string> {
    const path = join(folder, name);
    await writeFile(path, bytes);
    return path;
  }

  for (const littleEndian of [true, false])
    for (const nanoseconds of [true, false])
      it(`gives time and frames: ${littleEndian ? 'little' : 'big'}-endian, ${nanoseconds ? 'ns' : 'µs'}`, async () => {
        const frames = await fromPipe(pcap(RECORDS, { littleEndian, nanoseconds }));
        const perMs = nanoseconds ? 1e6 : 1e3;
        const expected = RECORDS.map((r) => r.seconds * 1000 + r.fraction / perMs);
        assert.deepEqual(
          frames.map(({ atMs }) => atMs),
          expected,
        );
        assert.deepEqual(
          frames.map(({ frame }) => [...frame]),
          RECORDS.map((r) => [...r.frame]),
        );
        assert.deepEqual(new Set(frames.map(({ linkType }) => linkType)), new Set([1]));
      });

  it('gives raw IP one number, whichever the file has', async () => {
    for (const linkType of [12, 14, 101, 0xf0000065 >>> 0]) {
      const [first] = await fromPipe(pcap(RECORDS, { linkType }));
      assert.equal(first?.linkType, 101);
    }
  });

  it('gives the same frames however the bytes arrive', async () => {
    const bytes = pcap(RECORDS);
    const whole = await fromPipe(bytes);
    for (const step of [1, 3, 16, 17, 100])
      assert.deepEqual(await fromPipe(bytes, {}, step), whole);
  });

  it('streams a file without holding it, and tells how far it is', async () => {
    const big = new Uint8Array(60_000);
    const records = Array.from({ length: 200 }, (_, seconds) => ({
      seconds,
      fraction: 0,
      frame: big,
    }));
    const bytes = pcap(records);
    const path = await file('big.pcap', bytes);
    const progress: number[] = [];
    let aheadMax = 0;
    let read = 24;
    const onProgress = (done: number, total: number | undefined) => {
      assert.equal(total, bytes.length);
      progress.push(done);
      aheadMax = Math.max(aheadMax, done - read);
    };
    for await (const { frame } of readCapture(path, { onProgress })) read += 16 + frame.length;
    assert.equal(read, bytes.length);
    assert.ok(progress.length > 20 && progress.at(-1) === bytes.length);
    assert.ok(aheadMax < 1024 * 1024, `${aheadMax} bytes read ahead`);
  });

  it('ends a file that is cut short with a warning, keeping what was whole', async () => {
    const bytes = pcap(RECORDS);
    for (let length = 25; length < bytes.length; length++) {
      const warnings: string[] = [];
      const onWarning = (message: string) => warnings.push(message);
      const frames = await fromPipe(bytes.subarray(0, length), { onWarning });
      const whole = [24, 100, 130, 146].findLastIndex((end) => end <= length);
      assert.equal(frames.length, whole, `${length} bytes`);
      const clean = [24, 100, 130, 146].includes(length);
      assert.equal(warnings.length, clean ? 0 : 1, `${length} bytes`);
      if (!clean) assert.match(warnings[0]!, /^standard input ends inside the record at byte \d+/);
    }
  });

  it('reads pcapng through tcpdump, from a file and from a pipe', async () => {
    const bytes = pcapng(FRAME);
    const path = await file('new.pcapng', bytes);
    for (const frames of [await collect(readCapture(path)), await fromPipe(bytes, {}, 7)]) {
      assert.equal(frames.length, 1);
      assert.deepEqual([...frames[0]!.frame], [...FRAME]);
      assert.equal(frames[0]?.atMs, 1_700_000_000_250);
      assert.equal(frames[0]?.linkType, 1);
    }
  });

  it('names the command that converts pcapng where there is no tcpdump, even to a waiting pipe', async () => {
    const stdin = new PassThrough();
    stdin.write(pcapng(FRAME));
    const reading = collect(readCapture('-', { stdin, converter: '/nonexistent/tcpdump' }));
    await assert.rejects(reading, {
      code: 'POSTERN_E_REPLAY',
      message: /pcapng.*editcap -F pcap IN OUT/,
    });
  });

  it('says what tcpdump said of a damaged pcapng file', async () => {
    const bytes = pcapng(FRAME);
    bytes.writeUInt32LE(0xffff, 4);
    await assert.rejects(fromPipe(bytes), {
      code: 'POSTERN_E_REPLAY',
      message: /^cannot read standard input: /,
    });
  });

  for (const [what, bytes, reason] of [
    ['an empty file', Buffer.alloc(0), /it is empty/],
    ['a text file', Buffer.from('7000,8000,9000\nand more text in it'), /it is no capture file/],
    ['three bytes', Buffer.from([1, 2, 3]), /it is no capture file/],
    ['half a header', pcap([]).subarray(0, 20), /its header is cut short/],
    [
      'a link type nobody parses',
      pcap([], { linkType: 105 }),
      /link type 105 is none of .*Ethernet \(1\)/,
    ],
  ] as const)
    it(`refuses ${what} in one sentence`, async () => {
      await assert.rejects(fromPipe(bytes), { code: 'POSTERN_E_REPLAY', message: reason });
    });

  it('refuses a record of absurd length without asking for that much memory', async () => {
    const bytes = pcap(RECORDS);
    for (const length of [262_145, 0x7fffffff, 0xffffffff]) {
      bytes.writeUInt32LE(length, 100 + 8);
      await assert.rejects(fromPipe(bytes), {
        code: 'POSTERN_E_REPLAY',
        message: `cannot read standard input: it is damaged: the record at byte 100 claims ${length} bytes`,
      });
    }
  });

  it('names a file that is not there, and a folder', async () => {
    for (const path of [join(folder, 'none'), folder])
      await assert.rejects(collect(readCapture(path)), (error: PosternError) => {
        assert.equal(error.code, 'POSTERN_E_REPLAY');
        return error.message.startsWith(`cannot read ${path}: E`);
      });
  });

  it('ends with the reason of its signal, even while a pipe says nothing', async () => {
    const stdin = new PassThrough();
    stdin.write(pcap(RECORDS));
    const stop = new AbortController();
    const frames = readCapture('-', { stdin, signal: stop.signal });
    for (const _ of RECORDS) assert.equal((await frames.next()).done, false);
    const waiting = frames.next();
    stop.abort(new Error('enough'));
    await assert.rejects(waiting, { message: 'enough' });
    assert.ok(stdin.destroyed);
  });

  it('lets go of the stream when the reader stops early', async () => {
    const stdin = new PassThrough();
    stdin.write(pcap(RECORDS));
    for await (const _ of readCapture('-', { stdin })) break;
    assert.ok(stdin.destroyed);
  });

  it('ends, or refuses with one error of its own, whatever the bytes are', async () => {
    const damaged = fc
      .tuple(fc.nat(145), fc.uint8Array({ maxLength: 8 }), fc.nat(146))
      .map(([at, bytes, length]) => {
        const copy = pcap(RECORDS);
        copy.set(bytes.subarray(0, copy.length - at), at);
        return copy.subarray(0, length);
      });
    const anything = fc.oneof(damaged, fc.uint8Array({ maxLength: 200 }));
    await fc.assert(
      fc.asyncProperty(anything, fc.integer({ min: 1, max: 50 }), async (bytes, step) => {
        try {
          await fromPipe(bytes, { converter: '/nonexistent/tcpdump' }, step);
        } catch (error) {
          assert.ok(error instanceof PosternError, String(error));
        }
      }),
      { numRuns: 500 },
    );
  });
});
