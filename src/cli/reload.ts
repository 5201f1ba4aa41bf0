/** `postern reload`: the configuration again, and what came of it. */
import { ask } from '../control/client.js';
import { PosternError } from '../errors.js';

/** Gives the exit code: 0 if the new configuration is in force. */
export async function runReload(socket: string): Promise<number> {
  for await (const reply of ask(socket, { command: 'reload' })) {
    if (!('reloaded' in reply)) continue;
    for (const message of reply.messages) process.stdout.write(`${message}\n`);
    process.stdout.write(
      reply.reloaded ? 'reloaded\n' : 'not reloaded: the running configuration stays in force\n',
    );
    return reply.reloaded ? 0 : 1;
  }
  throw new PosternError('POSTERN_E_CONTROL', 'postern ended before it answered; ask again');
}
