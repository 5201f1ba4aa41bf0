/**
 * Files of one-time sequences: one sequence a line, `#` begins a used or commented line. Read as
 * knockd reads them; marked more carefully than knockd does.
 */
import { randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import { type FileHandle, open, realpath, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Knock } from '../machines/types.js';
import { PosternError, reasonOf } from '../src/errors.js';
import { findingsOf, quotedPath } from './diagnostics.js';
import { indent, trim } from './lines.js';
import { readSequence, sameKnocks } from './sequence.js';
import { readableByOthers, readTrusted } from './trusted-file.js';
import type { Diagnostic } from './types.js';

const MAX_BYTES = 16 * 1024 * 1024;

/** A sequence that is not used up. */
export interface OneTimeLine {
  /** 1-based. */
  readonly number: number;
  readonly knocks: readonly Knock[];
}

export interface OneTimeFile {
  /** In the order of the file; the first one is the one to knock. */
  readonly lines: readonly OneTimeLine[];
  /** Warnings: bad lines, which are skipped, and a file that every user can read. */
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Reads the unused sequences of a file. A line that is no sequence is skipped with a warning
 * (knockd skips some such lines and takes others for port 0).
 * @throws PosternError POSTERN_E_ONE_TIME if the file cannot be read or is not safe to trust (T8)
 */
export async function readOneTimeFile(path: string): Promise<OneTimeFile> {
  const { text, stats } = await readText(path);
  const findings = findingsOf(path);
  if (readableByOthers(stats)) {
    const message = 'every user of this host can read the sequences; chmod o-r it';
    findings.warning('POSTERN_W_READABLE', { line: 0, column: 0 }, message);
  }
  const lines: OneTimeLine[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    if (isUnused(raw)) {
      const reading = readSequence(trim(raw));
      if (reading.value) lines.push({ number: index + 1, knocks: reading.value });
      for (const { code, offset, message } of [...reading.errors, ...reading.warnings]) {
        const place = { line: index + 1, column: indent(raw) + offset + 1 };
        if (reading.value) findings.warning(code, place, `the sequence ${message}`);
        else findings.warning('POSTERN_W_ONE_TIME', place, `line skipped: it ${message}`);
      }
    }
  }
  return { lines, diagnostics: findings.list };
}

function isUnused(raw: string): boolean {
  const text = trim(raw);
  return text !== '' && !text.startsWith('#');
}

/** Bytes one to one as characters, so that what is written back is what was read. */
async function readText(path: string): Promise<{ text: string; stats: Stats }> {
  const read = await readTrusted(path, MAX_BYTES);
  if ('problem' in read)
    throw new PosternError(
      'POSTERN_E_ONE_TIME',
      `one-time sequence file ${quotedPath(path)} ${read.problem}`,
    );
  return { text: read.content.toString('latin1'), stats: read.stats };
}

/** One rewriting of a file at a time in this process: doors may share a file. */
const underWay = new Map<string, Promise<unknown>>();

/**
 * Marks a sequence as used: `#` becomes the first character of every unused line that holds it,
 * in place of a blank there, as knockd does, else before the line, so that no digit is lost
 * (knockd overwrites it). The line is found by content in a fresh reading, so that edits of the
 * operator are kept. The file is replaced atomically; mode and owner stay; a symbolic link stays.
 * False if no unused line holds the sequence (any more).
 * @throws PosternError POSTERN_E_ONE_TIME if the file cannot be read or rewritten
 */
export async function markUsed(path: string, line: Pick<OneTimeLine, 'knocks'>): Promise<boolean> {
  const before = underWay.get(path) ?? Promise.resolve();
  // A failure before is its own caller's to handle; this one only waits its turn.
  const turn = before.catch(() => undefined).then(() => markNow(path, line.knocks));
  underWay.set(path, turn);
  try {
    return await turn;
  } finally {
    if (underWay.get(path) === turn) underWay.delete(path);
  }
}

const TRIES = 5;

async function markNow(path: string, knocks: readonly Knock[]): Promise<boolean> {
  try {
    const target = await realpath(path);
    for (let tries = 0; tries < TRIES; tries += 1) {
      const { text, stats } = await readText(target);
      const marked = markedText(text, knocks);
      if (marked === text) return false;
      if (await replaceFile(target, marked, stats)) return true;
    }
  } catch (error) {
    if (error instanceof PosternError) throw error;
    throw new PosternError('POSTERN_E_ONE_TIME', unmarked(path, reasonOf(error)), { cause: error });
  }
  throw new PosternError('POSTERN_E_ONE_TIME', unmarked(path, 'it keeps changing'));
}

function unmarked(path: string, reason: string): string {
  return `cannot mark the used sequence in ${quotedPath(path)}: ${reason}`;
}

function markedText(text: string, knocks: readonly Knock[]): string {
  return text
    .split('\n')
    .map((raw) => {
      const held = isUnused(raw) ? readSequence(trim(raw)).value : undefined;
      if (!held || !sameKnocks(held, knocks)) return raw;
      return indent(raw) > 0 ? `#${raw.slice(1)}` : `#${raw}`;
    })
    .join('\n');
}

/** Writes beside the file and renames over it. False if the file changed since it was read. */
async function replaceFile(path: string, text: string, read: Stats): Promise<boolean> {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.${randomBytes(6).toString('hex')}`);
  const handle = await open(temporary, 'wx', 0o600);
  try {
    await fill(handle, text, read);
    const now = await stat(path);
    const same = now.ino === read.ino && now.mtimeMs === read.mtimeMs && now.size === read.size;
    if (!same) {
      await unlink(temporary);
      return false;
    }
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
  await syncFolder(folder);
  return true;
}

async function fill(handle: FileHandle, text: string, like: Stats): Promise<void> {
  try {
    await handle.writeFile(text, 'latin1');
    await handle.chown(like.uid, like.gid);
    await handle.chmod(like.mode & 0o7777);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes the renaming itself durable. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
