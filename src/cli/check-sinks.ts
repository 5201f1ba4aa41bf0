/** What `postern check` says of the sinks of a configuration. */
import type { Configuration, Diagnostic } from '../../config/types.js';
import { readModule } from '../../sinks/module/load.js';
import { createSink, filesOf } from '../create-sink.js';
import { reasonOf } from '../errors.js';
import { silentLog } from '../log/types.js';
import { sinkProblem } from '../sink-problem.js';
import { foreignFiles, foreignNote } from './foreign-files.js';

export interface SinksCheck {
  readonly diagnostics: readonly Diagnostic[];
  /** What was not looked at, and why; a line each. */
  readonly notes: readonly string[];
}

/**
 * Loads each sink as the daemon would; nothing is sent. A module is code, which a check does not run:
 * of it only the file is looked at, and the folders around it.
 */
export async function checkSinks({ file, sinks }: Configuration): Promise<SinksCheck> {
  const diagnostics: Diagnostic[] = [];
  const notes: string[] = [];
  for (const sink of sinks) {
    const foreign = await foreignFiles(filesOf(sink));
    for (const path of foreign) notes.push(foreignNote(file, path));
    if (foreign.length > 0) continue;
    try {
      await (sink.kind === 'module' ? readModule(sink) : createSink(sink, silentLog));
    } catch (error) {
      diagnostics.push(sinkProblem(file, sink, reasonOf(error)));
    }
  }
  return { diagnostics, notes };
}
