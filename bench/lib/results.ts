/** What scenarios gave, kept in bench/results: one file for each, so that each can be run alone. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { cloneFolder } from '../../test/support/clone.js';

const machine = z.object({
  processor: z.string(),
  cores: z.number(),
  memoryGiB: z.number(),
  kernel: z.string(),
  versions: z.record(z.string(), z.string()),
});
const ratios = z.record(z.string(), z.number());
const result = z.object({
  scenario: z.string(),
  title: z.string(),
  at: z.string(),
  tookSeconds: z.number(),
  machine,
  /** Before and after, of 1, 5 and 15 minutes each. */
  loadAverages: z.object({ before: z.array(z.number()), after: z.array(z.number()) }),
  ratios,
  figures: z.unknown(),
});
/** What the short form gave when it was recorded, for continuous integration to compare with. */
const recorded = z.object({ at: z.string(), machine, ratios });

export type Ratios = Readonly<Record<string, number>>;
export type Result = z.infer<typeof result>;
export type Recorded = z.infer<typeof recorded>;

const allRecorded = z.record(z.string(), recorded);
const QUICK = 'quick.json';

export function resultsFolder(): string {
  return join(cloneFolder(), 'bench/results');
}

/**
 * The result of a scenario that was run in full; undefined when it never was.
 * @throws Error when the file is not one of ours
 */
export async function readResult(name: string, folder: string): Promise<Result | undefined> {
  return parse(result, join(folder, `${name}.json`));
}

export async function writeResult(measured: Result, folder: string): Promise<void> {
  await write(join(folder, `${measured.scenario}.json`), measured);
}

/** By scenario. */
export async function readRecorded(folder: string): Promise<Readonly<Record<string, Recorded>>> {
  return (await parse(allRecorded, join(folder, QUICK))) ?? {};
}

/** Leaves what was recorded of other scenarios as it is. */
export async function record(name: string, entry: Recorded, folder: string): Promise<void> {
  const others = await readRecorded(folder);
  await write(join(folder, QUICK), { ...others, [name]: entry });
}

async function parse<T>(schema: z.ZodType<T>, file: string): Promise<T | undefined> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(text));
  } catch (error) {
    throw new Error(`${file} is no result of this bench`, { cause: error });
  }
}

/** In one step: a bench that is interrupted leaves the file that was there. */
async function write(file: string, content: unknown): Promise<void> {
  await mkdir(join(file, '..'), { recursive: true });
  const unfinished = `${file}.${process.pid}`;
  await writeFile(unfinished, `${JSON.stringify(content, undefined, 2)}\n`);
  await rename(unfinished, file);
}
