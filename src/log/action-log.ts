/**
 * What happened at the doors, for people and tools that read knockd's log (knockd(1), LogFile and
 * UseSyslog). The texts are knockd 0.8's. No line holds a port.
 */
export interface ActionLog {
  /** `starting up, listening on IF` */
  startingUp(interfaces: string): void;
  /** `SRC: DOOR: Stage N` */
  stage(source: string, door: string, stage: number): void;
  /** `SRC: DOOR: OPEN SESAME` */
  openSesame(source: string, door: string): void;
  /** `DOOR: running command: …`; the command as configured, `%IP%` unexpanded. */
  runningCommand(door: string, command: string): void;
  /** `SRC: DOOR: command timeout` */
  commandTimeout(source: string, door: string): void;
  /** `SRC: DOOR: sequence timeout (stage N)` */
  sequenceTimeout(source: string, door: string, stage: number): void;
  /** `re-reading config file: FILE` */
  rereading(file: string): void;
  /** `shutting down` */
  shuttingDown(): void;
  /** Opens the file anew (SIGHUP), so that it can be rotated. */
  reopen(): void;
  /** Writes what is held back, and lets go of file and child. Later calls write nothing. */
  close(): Promise<void>;
}

/** `log = off`, or neither LogFile nor UseSyslog. */
export const noActionLog: ActionLog = {
  startingUp() {},
  stage() {},
  openSesame() {},
  runningCommand() {},
  commandTimeout() {},
  sequenceTimeout() {},
  rereading() {},
  shuttingDown() {},
  reopen() {},
  async close() {},
};

/** Where the lines go: a file, syslog. None of its calls throws. */
export interface LineSink {
  write(text: string): void;
  reopen(): void;
  close(): Promise<void>;
}
