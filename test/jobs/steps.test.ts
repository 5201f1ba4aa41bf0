import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { journalWithSteps, STEPS, type Step, stepsFromEnvironment } from '../../src/jobs/steps.js';
import { MemoryJournal } from '../support/memory-journal.js';

const names = { door: 'test', source: '192.0.2.1', configuration: 'c1' };

describe('the steps at which a test can stop postern', () => {
  const module = fileURLToPath(new URL('../../src/jobs/steps.js', import.meta.url));
  const run = (wanted: string, script: string) => {
    const code = `import { stepsFromEnvironment } from '${module}';
      const reach = stepsFromEnvironment(); ${script}; console.log('lives');`;
    const env = { ...process.env, POSTERN_TEST_STOP_AT: wanted };
    return spawnSync(process.execPath, ['--input-type=module', '-e', code], { env });
  };

  it('it dies at once at the step of that name, and at no other', () => {
    assert.equal(run('Opened', "reach('Opening'); reach('Opened')").signal, 'SIGKILL');
    assert.equal(run('Opened', "reach('Opening'); reach('Closed')").signal, null);
  });

  it('or at the n-th time', () => {
    const twice = "reach('Closed'); reach('Closed')";
    assert.equal(run('Closed#2', twice).signal, 'SIGKILL');
    assert.equal(run('Closed#3', twice).signal, null);
  });

  it('a name that is none is refused; without one there is nothing', () => {
    assert.match(run('Ajar', '').stderr.toString(), /POSTERN_TEST_STOP_AT names none of/);
    assert.equal(stepsFromEnvironment(), undefined);
  });

  it('a durable step is reached when the event is durable, before whoever waits for it hears', async () => {
    const journal = new MemoryJournal();
    const heard: string[] = [];
    const watched = journalWithSteps(journal, (step) => heard.push(step));
    await watched.append({ type: 'Completed', ...names }).then(() => heard.push('after'));
    await watched.claim('c', { type: 'Completed', ...names });
    assert.equal(await watched.claim('c', { type: 'Completed', ...names }), undefined);
    await watched.accept('g', 1, { type: 'Completed', ...names });
    assert.equal(await watched.accept('g', 1, { type: 'Completed', ...names }), undefined);
    await watched.append({ type: 'HostStopped' });
    journal.failure = new Error('no Redis');
    await assert.rejects(watched.append({ type: 'Closed', grant: 'g', sink: 'exec' }));
    assert.deepEqual(heard, ['Completed', 'after', 'Completed', 'Completed']);
  });

  it('every event of a grant is such a step', () => {
    const events: readonly Step[] = [
      ...(['Completed', 'Opening', 'Opened', 'OpenFailed', 'Extended'] as const),
      ...(['Closing', 'Closed', 'CloseFailed', 'Abandoned'] as const),
    ];
    for (const event of events) assert.ok(STEPS.includes(event));
  });
});
