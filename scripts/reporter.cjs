/**
 * Mocha's dots, its list of failures, and a closing line alone: `N passed, N failed`, and
 * `, N skipped` when any were. With `CI=true` a skip is a failure.
 */
const { reporters, Runner } = require('mocha');

/** How long the tests' process may live on after its last test before that is a failure. */
const LEFT_OPEN_MS = 5000;

class Closing extends reporters.Dot {
  constructor(runner, options) {
    super(runner, options);
    // Registered after the parent's, which prints the failures.
    runner.once(Runner.constants.EVENT_RUN_END, () => this.#close());
    // In CI a test on a shared machine gets a second try, and never without a word.
    runner.on(Runner.constants.EVENT_TEST_RETRY, (test, error) => {
      console.log(`\n  failed once, tried again: ${test.fullTitle()}: ${error.message}`);
    });
  }

  #close() {
    const { passes, failures, pending } = this.stats;
    if (this.#skipFails()) console.log('CI=true: a skipped test is a failure.');
    const skipped = pending > 0 ? `, ${pending} skipped` : '';
    console.log(`${passes} passed, ${failures} failed${skipped}`);
  }

  #skipFails() {
    return process.env.CI === 'true' && this.stats.pending > 0;
  }

  /** Called by mocha last of all, with the number that becomes the exit code. */
  done(failures, exit) {
    exit(failures + (this.#skipFails() ? this.stats.pending : 0));
    setTimeout(() => {
      const open = process.getActiveResourcesInfo().join(', ');
      console.error(`A test left something open that keeps the process alive: ${open}`);
      // Mocha sets the exit code in a listener of its own, which comes before this one.
      process.once('exit', () => {
        process.exitCode = 1;
      });
      process.exit();
    }, LEFT_OPEN_MS).unref();
  }
}

module.exports = Closing;
