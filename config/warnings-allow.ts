/** Warnings about `allow` and the ways in which the firewall is to know of it. */
import { type Commands, commandsFor, sharedCommands } from './commands.js';
import { type Findings, WHOLE_FILE } from './diagnostics.js';
import { ruleChangesOf } from './firewall-rules.js';
import type { Configuration, Door, Options } from './types.js';
import type { Locate } from './warnings.js';

export function warnOfAllow(
  door: Door,
  { nftGuard, nftTable }: Options,
  locate: Locate,
  findings: Findings,
): void {
  const place = locate(door, 'allow');
  if (door.allow.length === 0) {
    if (door.killEstablished)
      findings.warning(
        'POSTERN_W_MISPLACED',
        locate(door, 'kill_established'),
        `kill_established has no effect at door [${door.name}], which has no allow`,
      );
    return;
  }
  if (!nftGuard && nftTable === undefined)
    findings.warning(
      'POSTERN_W_ALLOW',
      place,
      `no rule can refer to what door [${door.name}] allows; add nft_guard = yes, or nft_table = ` +
        'FAMILY NAME, to [options]',
    );
  for (const [family, commands] of [
    [4, commandsFor(door, 4)],
    [6, commandsFor(door, 6)],
  ] as const) {
    const problem = problemOf(commands);
    if (problem === undefined) continue;
    findings.warning(
      'POSTERN_W_ALLOW',
      locate(door, family === 4 ? 'Start_Command' : 'Start_Command_6', 'Start_Command'),
      `door [${door.name}] ${problem}`,
    );
    return;
  }
}

/** What commands do that does not go well with `allow`. */
function problemOf(commands: Commands): string | undefined {
  const { start = '', stop = '' } = commands;
  if (ruleChangesOf(`${start}\n${stop}`).length > 0 || NFT.test(start))
    return (
      'changes the firewall by a command and by allow; each closes what it opened alone, so the ' +
      'source stays in until both have: use one of them'
    );
  if (commands.start !== undefined && sharedCommands(commands))
    return (
      'has allow, which is for each source alone, and commands without %IP%: its stop command ' +
      'runs when one source is shut out, while another may still be in'
    );
  return undefined;
}

/** A command that opens by other means than iptables, found by the names of the usual tools. */
const NFT = /(?:^|[\s/;&|])(?:nft\s+(?:add|insert|create)|ipset\s+add|firewall-cmd|ufw\s+allow)\b/;

/** `nft_guard` and `nft_table` in a file without a door that allows anything. */
export function warnOfFirewallOptions(
  { options: { nftGuard, nftTable }, doors }: Configuration,
  findings: Findings,
): void {
  if (doors.length === 0 || doors.some(({ allow }) => allow.length > 0)) return;
  for (const name of [...(nftGuard ? ['nft_guard'] : []), ...(nftTable ? ['nft_table'] : [])])
    findings.warning(
      'POSTERN_W_ALLOW',
      WHOLE_FILE,
      `${name} has no effect, for no door has an allow`,
    );
}
