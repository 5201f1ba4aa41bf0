/** The firewall's side of doors with `allow`: what `postern check` and the daemon say of it. */
import { networkInterfaces } from 'node:os';
import type { Configuration } from '../../config/types.js';
import { chooseInterfaces } from '../capture/link.js';
import { type Finding, findingOf, firewallAdvice, type HostFacts } from './advice.js';
import { readRuleset } from './read.js';
import type { Family } from './sources.js';

export { type Finding, firewallAdvice } from './advice.js';

/**
 * Reads the ruleset in force and says what it does to the doors that allow something. Never throws;
 * without such doors nothing is read. `interfaces`: where postern listens, if not where the
 * configuration says.
 */
export async function checkFirewall(
  configuration: Configuration,
  interfaces?: readonly string[],
): Promise<readonly Finding[]> {
  const doors = configuration.doors.filter(({ allow }) => allow.length > 0);
  if (doors.length === 0) return [];
  const ruleset = await readRuleset();
  if ('tables' in ruleset) {
    const listened = await chooseInterfaces(interfaces ?? configuration.options.interfaces);
    return firewallAdvice(configuration, ruleset.tables, factsOf(listened));
  }
  const text = `the firewall was not looked at, for ${ruleset.problem}`;
  return doors.map((door) => findingOf(configuration, door, 'POSTERN_W_FIREWALL_UNKNOWN', text));
}

/** `any` tells nothing about where connections come in. */
function factsOf(interfaces: readonly string[]): HostFacts {
  const known = interfaces.includes('any') ? [] : interfaces;
  return { interfaces: known, families: families() };
}

/** IPv4, and IPv6 where the host has an address that others could reach. */
function families(): readonly Family[] {
  const reachable = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .some(
      ({ family, internal, address }) =>
        family === 'IPv6' && !internal && !address.toLowerCase().startsWith('fe80:'),
    );
  return reachable ? [4, 6] : [4];
}
