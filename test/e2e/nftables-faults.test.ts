import assert from 'node:assert/strict';
import { join } from 'node:path';
import { section } from '../support/conf.js';
import type { Postern } from '../support/daemon.js';
import { eventually } from '../support/eventually.js';
import { SERVICE, useLab } from '../support/lab.js';
import { linesOf } from '../support/lines.js';
import { SERVER4 } from '../support/netns.js';
import { commandLine, descendants } from '../support/process-tree.js';

const SEQUENCE = ['7000', '9000', '8000'];
const COMMAND = ['7100', '9100', '8100'];
const OPTIONS = '[options]\n\tnft_guard = yes\n';
const OPEN_MS = 2000;
/** The kernel ends what it opened a second after the deadline; then a connect has to be seen fail. */
const KERNEL_LATE_MS = 2000;

describe('a door with `allow`, when something of postern is gone', () => {
  const lab = useLab();

  const allow = section('ssh', {
    sequence: SEQUENCE.join(','),
    tcpflags: 'syn',
    allow: `${SERVICE}/tcp`,
    cmd_timeout: OPEN_MS / 1000,
  });

  /** Opens it; gives the earliest and the latest time (performance.now) that its time may end. */
  async function opensNow(withinMs = 3000): Promise<{ earliestMs: number; latestMs: number }> {
    const before = performance.now();
    await lab.knock(SERVER4, SEQUENCE);
    await lab.opens(SERVER4, withinMs);
    return { earliestMs: before + OPEN_MS, latestMs: performance.now() + OPEN_MS };
  }

  function redisOf({ pid }: Postern): number[] {
    return descendants(pid).filter((each) => /redis-server/.test(commandLine(each)));
  }

  it('the kernel alone closes it: the core was killed and does not come back (DESIGN 7c)', async () => {
    const postern = await lab.postern(OPTIONS + allow);
    const { earliestMs, latestMs } = await opensNow();
    await postern.kill();
    assert.ok(await lab.reaches(SERVER4), 'open still');
    await lab.shuts(SERVER4, latestMs + KERNEL_LATE_MS - performance.now());
    assert.ok(performance.now() > earliestMs, 'and not before its time');
  });

  for (const [how, signal] of [
    ['frozen', 'SIGSTOP'],
    ['killed', 'SIGKILL'],
  ] as const) {
    it(`opens and closes on time while Redis is ${how}, and the journal learns of it (T14)`, async () => {
      const file = join(await lab.folder(), 'log');
      const other = section('command', {
        sequence: COMMAND.join(','),
        start_command: `echo ran >> ${file}`,
      });
      const postern = await lab.postern(OPTIONS + allow + other);
      const [redis] = redisOf(postern);
      assert.ok(redis !== undefined);
      // Killed, it is back in a moment; as often as it is back, it is killed again.
      const again = () => {
        for (const pid of redisOf(postern)) process.kill(pid, signal);
      };
      again();
      const killing = signal === 'SIGKILL' ? setInterval(again, 20) : undefined;
      try {
        const knocked = performance.now();
        const { latestMs } = await opensNow();
        assert.ok(
          latestMs - OPEN_MS - knocked < 2000,
          'opened within a second, seen a little later',
        );
        await lab.knock(SERVER4, COMMAND);
        await postern.program.waitFor(/command.*the door was not opened/);
        assert.deepEqual(await linesOf(file), []);
        const [grant] = (await postern.status()).grants;
        assert.equal(grant?.unjournalled, true);
        await lab.shuts(SERVER4, latestMs + KERNEL_LATE_MS - performance.now());
      } finally {
        clearInterval(killing);
        if (signal === 'SIGSTOP') process.kill(redis, 'SIGCONT');
      }
      await eventually(
        'the journal knows all of it',
        async () => {
          const { code, stdout } = await postern.ask('events', '--json');
          return code === 0 && /"Opening".*"happenedAtMs"/.test(stdout) && /"Closed"/.test(stdout);
        },
        { withinMs: 15_000, everyMs: 250 },
      );
      assert.deepEqual((await postern.status()).grants, []);
    });
  }
});
