import { readFileSync } from 'node:fs';

/** CAP_NET_ADMIN, CAP_NET_RAW and CAP_SYS_ADMIN (capabilities(7)): what a network namespace takes. */
const NEEDED = (1n << 12n) | (1n << 13n) | (1n << 21n);

let told = false;

/** Whether this process may make network namespaces: root, and not a container that forbids it. */
export function mayMakeNetworks(): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return effective !== undefined && (BigInt(`0x${effective}`) & NEEDED) === NEEDED;
}

/**
 * Skips the running suite or test where network namespaces cannot be made, and says once how to
 * run it. Call it first in `before`. Throws instead when `CI=true`: there a skip is a failure.
 */
export function requireRoot(context: Mocha.Context): void {
  if (mayMakeNetworks()) return;
  const reason = 'end-to-end tests need root (network namespaces)';
  if (process.env['CI'] === 'true') throw new Error(`${reason}, and CI=true allows no skip`);
  if (!told) process.stderr.write(`Skipped: ${reason}. To run them: sudo npm test\n`);
  told = true;
  context.skip();
}
