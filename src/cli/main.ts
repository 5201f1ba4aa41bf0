/** What every command line has in common: errors as one line, and exit codes. */
import { CommanderError } from 'commander';
import { PosternError } from '../errors.js';

/**
 * Runs a command. What an operator can act on is printed as it is, without a stack trace; exit code
 * 1. Whatever else is thrown is a fault of ours and is printed whole.
 */
export async function main(name: string, run: () => Promise<unknown>): Promise<void> {
  // `postern events | head` ends when its reader does.
  process.stdout.on('error', (error) => {
    process.exit('code' in error && error.code === 'EPIPE' ? 0 : 1);
  });
  try {
    await run();
  } catch (error) {
    process.exitCode = 1;
    if (error instanceof CommanderError) {
      // commander has printed what it has to say; help and version are no errors.
      process.exitCode = error.exitCode === 0 ? 0 : 1;
    } else if (error instanceof PosternError) {
      process.stderr.write(`${name}: ${error.message}${codeOf(error)}\n`);
    } else {
      process.stderr.write(
        `${name}: this is a fault of postern's; please report it with these lines:\n` +
          `${error instanceof Error ? error.stack : String(error)}\n`,
      );
    }
  }
}

/** Findings about a configuration show codes of their own; usage is printed behind its error. */
function codeOf({ code }: PosternError): string {
  return code === 'POSTERN_E_CONFIG' || code === 'POSTERN_E_USAGE' ? '' : ` [${code}]`;
}
