import { escapeControls } from '../../config/diagnostics.js';
import type { ActionLog, LineSink } from './action-log.js';
import { noActionLog } from './action-log.js';
import { LineLimit, type Schedule } from './limit.js';
import { LogFile } from './log-file.js';
import { SourceNames } from './source-names.js';
import { Syslog } from './syslog.js';
import type { Log } from './types.js';

/** KNOCKD.md, command line: stage and timeout lines are limited, then counted. */
const STAGE_LINES_PER_SECOND = 10;

export interface ActionLogOptions {
  /** `log = off` makes all others count for nothing. */
  readonly log: boolean;
  readonly logFile?: string;
  readonly useSyslog: boolean;
  /** `-l`: names of sources that opened a door. */
  readonly lookup: boolean;
  /** `-v`: the lines go to standard output too, whatever `log` says. */
  readonly verbose?: boolean;
  /** Told once when lines cannot be written. */
  readonly serviceLog: Log;
}

const standardOutput: LineSink = {
  write: (text) => void process.stdout.write(`${text}\n`),
  reopen() {},
  async close() {},
};

/** The action log that the configuration asks for. */
export function createActionLog(options: ActionLogOptions): ActionLog {
  const { log, logFile, useSyslog, lookup, serviceLog } = options;
  const sinks: LineSink[] = [];
  if (log && logFile !== undefined) sinks.push(new LogFile(logFile, serviceLog));
  if (log && useSyslog) sinks.push(new Syslog(serviceLog));
  if (options.verbose === true) sinks.push(standardOutput);
  if (sinks.length === 0) return noActionLog;
  return new KnockdLog(sinks, lookup ? new SourceNames() : undefined);
}

/**
 * knockd's lines. Control characters are escaped (T9). Stage and sequence timeout lines, which
 * anybody can cause, are limited to ten a second and then counted; what follows from an opening is
 * always written. With names, `OPEN SESAME` waits up to a second for the name of its source.
 */
export class KnockdLog implements ActionLog {
  readonly #sinks: readonly LineSink[];
  readonly #names: SourceNames | undefined;
  readonly #stages: LineLimit;
  /** Openings whose source's name is being looked for. */
  readonly #naming = new Set<() => void>();

  constructor(sinks: readonly LineSink[], names?: SourceNames, schedule?: Schedule) {
    this.#sinks = sinks;
    this.#names = names;
    const report = (suppressed: number) => this.#write(`${suppressed} more stage lines suppressed`);
    this.#stages = new LineLimit(STAGE_LINES_PER_SECOND, report, schedule);
  }

  startingUp(interfaces: string): void {
    this.#write(`starting up, listening on ${interfaces}`);
  }

  stage(source: string, door: string, stage: number): void {
    if (this.#stages.take()) this.#write(`${source}: ${door}: Stage ${stage}`);
  }

  openSesame(source: string, door: string): void {
    const write = (who: string) => this.#write(`${who}: ${door}: OPEN SESAME`);
    if (this.#names === undefined) write(source);
    else this.#writeNamed(source, this.#names, write);
  }

  runningCommand(door: string, command: string): void {
    this.#write(`${door}: running command: ${command}`);
  }

  commandTimeout(source: string, door: string): void {
    this.#write(`${this.#names?.known(source) ?? source}: ${door}: command timeout`);
  }

  sequenceTimeout(source: string, door: string, stage: number): void {
    if (this.#stages.take()) this.#write(`${source}: ${door}: sequence timeout (stage ${stage})`);
  }

  rereading(file: string): void {
    this.#write(`re-reading config file: ${file}`);
  }

  shuttingDown(): void {
    this.#write('shutting down');
  }

  reopen(): void {
    for (const sink of this.#sinks) sink.reopen();
  }

  async close(): Promise<void> {
    this.#stages.flush();
    for (const unnamed of this.#naming) unnamed();
    await Promise.all(this.#sinks.map((sink) => sink.close()));
  }

  #writeNamed(source: string, names: SourceNames, write: (who: string) => void): void {
    const once = (who: string) => {
      if (this.#naming.delete(unnamed)) write(who);
    };
    const unnamed = () => once(source);
    this.#naming.add(unnamed);
    // `find` never rejects.
    void names.find(source).then(once);
  }

  #write(text: string): void {
    const line = escapeControls(text);
    for (const sink of this.#sinks) sink.write(line);
  }
}
