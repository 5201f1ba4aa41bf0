import assert from 'node:assert/strict';
import { createProgress } from '../../src/replay/progress.js';

function terminal(isTTY: boolean, columns = 80) {
  const written: string[] = [];
  return { isTTY, columns, written, write: (text: string) => written.push(text) };
}

describe('the progress bar', () => {
  let now = 0;
  const clock = () => now;
  const MIB = 1024 * 1024;

  it('shows the share of the file, and takes itself away', () => {
    const screen = terminal(true);
    const progress = createProgress(screen, clock);
    now += 100;
    progress.update(30 * MIB, 120 * MIB);
    assert.equal(
      screen.written[0],
      `\r\u001b[K[${'#'.repeat(10)}${' '.repeat(30)}]  25 % of 120.0 MiB`,
    );
    progress.end();
    assert.equal(screen.written.at(-1), '\r\u001b[K');
  });

  it('draws ten times a second at most, and nothing for a file that is read at once', () => {
    const screen = terminal(true);
    const progress = createProgress(screen, clock);
    for (let at = 0; at < 1000; at++, now++) progress.update(at, 1000);
    assert.equal(screen.written.length, 9);
    const quick = terminal(true);
    const short = createProgress(quick, clock);
    short.update(10, 10);
    short.end();
    assert.deepEqual(quick.written, []);
  });

  it('fits a narrow terminal, and counts where the size is unknown', () => {
    const screen = terminal(true, 30);
    const progress = createProgress(screen, clock);
    now += 100;
    progress.update(MIB, 2 * MIB);
    now += 100;
    progress.update(3 * MIB, undefined);
    assert.ok(screen.written[0]!.length - 4 <= 30);
    assert.equal(screen.written[1], '\r\u001b[K3.0 MiB');
  });

  it('writes nothing anywhere but on a terminal', () => {
    const screen = terminal(false);
    const progress = createProgress(screen, clock);
    now += 1000;
    progress.update(1, 2);
    progress.end();
    assert.deepEqual(screen.written, []);
  });
});
