/** A service manager's end of NOTIFY_SOCKET. Node has no unix datagrams; perl is on every Debian. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { Program } from '../support/program.js';

const LISTENER = `
use strict; use Socket;
socket(my $s, PF_UNIX, SOCK_DGRAM, 0) or die $!;
bind($s, sockaddr_un($ARGV[0])) or die $!;
chmod 0777, $ARGV[0];
$| = 1; print "bound\\n";
while (defined recv($s, my $word, 4096, 0)) { $word =~ s/\\n/|/g; print "<$word>\\n" unless $word eq 'BARRIER=1' }
`;

export class NotifySocket {
  private constructor(
    readonly path: string,
    readonly heard: Program,
  ) {}

  static async listen(folder: string): Promise<NotifySocket> {
    const path = join(folder, 'notify');
    const socket = new NotifySocket(path, Program.start(['perl', '-e', LISTENER, path]));
    await socket.heard.waitFor(/bound/);
    return socket;
  }

  /** The words so far, in order; the lines of one word are joined with `|`. */
  get words(): string[] {
    return [...this.heard.logs.matchAll(/^<(.*)>$/gm)].map(([, word = '']) => word);
  }

  /** How often the watchdog was answered. */
  get pings(): number {
    return this.words.filter((word) => word === 'WATCHDOG=1').length;
  }

  close(): Promise<void> {
    return this.heard.dispose();
  }
}

/** Skips where Debian's package systemd is not installed. Throws instead when `CI=true`. */
export function requireSystemd(context: Mocha.Context): void {
  if (spawnSync('systemd-notify', ['--version']).status === 0) return;
  const reason = 'the tests of units need systemd-notify and systemd-analyze (package systemd)';
  if (process.env['CI'] === 'true') throw new Error(`${reason}, and CI=true allows no skip`);
  process.stderr.write(`Skipped: ${reason}\n`);
  context.skip();
}
