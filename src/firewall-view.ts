/** What the host's firewall does to the doors, looked at when they change. */
import type { Configuration } from '../config/types.js';
import { checkFirewall } from './firewall/index.js';
import type { Log } from './log/types.js';

export class FirewallView {
  #findings: readonly string[] = [];

  constructor(
    private readonly interfaces: readonly string[],
    private readonly log: Log,
  ) {}

  /** What was found last, for `postern status`. */
  get findings(): readonly string[] {
    return this.#findings;
  }

  /** Reads the ruleset and warns of what it finds. Never rejects; nobody needs to wait for it. */
  async look(configuration: Configuration): Promise<void> {
    const findings = await checkFirewall(configuration, this.interfaces);
    for (const { code, message } of findings) this.log.warn({ code }, message);
    this.#findings = findings.map(({ message }) => message);
  }
}
