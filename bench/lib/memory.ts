/**
 * Where the memory of a program's processes lies, out of /proc/PID/smaps. PSS halves a page that two
 * processes share, also where the other one is no part of the program (this bench runs in node too),
 * so `alone` says what it comes to where nothing else runs the same files.
 */
import { readFileSync } from 'node:fs';
import { commandLine } from '../../test/support/process-tree.js';
import { rounded } from './figures.js';
import { familyOf } from './usage.js';

/** All in MiB. */
export interface MemoryParts {
  /** Shared pages counted in parts. */
  readonly pssMiB: number;
  /** Shared pages counted for each process. */
  readonly rssMiB: number;
  /** The mapped ring of a packet socket, which is in both. */
  readonly ringMiB: number;
  /** PSS of what malloc took from the program break. */
  readonly mallocMiB: number;
  /** PSS of other memory without a file: V8's heap, array buffers, large blocks of malloc. */
  readonly anonymousMiB: number;
  /** PSS of programs and libraries. */
  readonly filesMiB: number;
}

export interface ProgramMemory extends MemoryParts {
  /** Files of the program counted once, and not shared with anything else. */
  readonly aloneMiB: number;
  readonly byRole: Readonly<Record<string, MemoryParts>>;
}

type Kind = 'ring' | 'malloc' | 'anonymous' | 'files';

interface Mapping {
  /** Device, inode and offset: the same for the same part of a file in any process. */
  readonly place: string;
  readonly kind: Kind;
  /** KiB, as smaps tells it. */
  pss: number;
  rss: number;
  shared: number;
}

const HEADER = /^[0-9a-f]+-[0-9a-f]+ \S+ ([0-9a-f]+ \S+ \d+) *(.*)$/;
const KIB_PER_MIB = 1024;

/** Of a running program and everything below it. */
export function programMemory(pid: number): ProgramMemory {
  const processes = familyOf(pid).map((each) => ({
    role: roleOf(each, pid),
    mappings: mappingsOf(each),
  }));
  const roles = new Set(processes.map(({ role }) => role));
  const mappingsOfRole = (wanted: string) =>
    processes.flatMap(({ role, mappings }) => (role === wanted ? mappings : []));
  const byRole = Object.fromEntries(
    [...roles].map((role) => [role, partsOf(mappingsOfRole(role))]),
  );
  const all = processes.flatMap(({ mappings }) => mappings);
  return { ...partsOf(all), aloneMiB: aloneOf(all), byRole };
}

function roleOf(pid: number, root: number): string {
  if (pid === root) return 'core';
  const command = commandLine(pid);
  if (command.includes('redis-server')) return 'redis';
  return command.includes('sensor') ? 'sensor' : 'other';
}

function partsOf(mappings: readonly Mapping[]): MemoryParts {
  const sum = (of: (mapping: Mapping) => number) =>
    rounded(mappings.reduce((all, mapping) => all + of(mapping), 0) / KIB_PER_MIB, 1);
  const pssOf = (kind: Kind) => sum((each) => (each.kind === kind ? each.pss : 0));
  return {
    ...{ pssMiB: sum(({ pss }) => pss), rssMiB: sum(({ rss }) => rss) },
    ...{ ringMiB: sum(({ kind, rss }) => (kind === 'ring' ? rss : 0)) },
    ...{ mallocMiB: pssOf('malloc'), anonymousMiB: pssOf('anonymous'), filesMiB: pssOf('files') },
  };
}

/** What is shared is counted once for each place: as the process has it that has most of it. */
function aloneOf(mappings: readonly Mapping[]): number {
  const once = new Map<string, number>();
  let kib = 0;
  for (const { kind, place, rss, shared } of mappings) {
    const isOfFile = kind === 'files';
    kib += isOfFile ? rss - shared : rss;
    if (isOfFile) once.set(place, Math.max(once.get(place) ?? 0, shared));
  }
  for (const each of once.values()) kib += each;
  return rounded(kib / KIB_PER_MIB, 1);
}

function mappingsOf(pid: number): Mapping[] {
  const mappings: Mapping[] = [];
  let now: Mapping = { place: '', kind: 'anonymous', pss: 0, rss: 0, shared: 0 };
  for (const line of smapsOf(pid).split('\n')) {
    const [, place, path] = HEADER.exec(line) ?? [];
    if (place !== undefined) {
      now = { place, kind: kindOf(path ?? ''), pss: 0, rss: 0, shared: 0 };
      mappings.push(now);
      continue;
    }
    const [field = '', value = ''] = line.split(/:\s+/);
    const kib = Number.parseInt(value, 10);
    if (field === 'Pss') now.pss = kib;
    else if (field === 'Rss') now.rss = kib;
    else if (field === 'Shared_Clean' || field === 'Shared_Dirty') now.shared += kib;
  }
  return mappings;
}

function kindOf(path: string): Kind {
  if (path.startsWith('socket:[')) return 'ring';
  if (path === '[heap]') return 'malloc';
  return path === '' || path.startsWith('[') ? 'anonymous' : 'files';
}

function smapsOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/smaps`, 'utf8');
  } catch {
    // It ended meanwhile.
    return '';
  }
}
