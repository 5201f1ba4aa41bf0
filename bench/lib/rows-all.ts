/** The rows of each scenario, read from its figures. */
import type { Row } from './rows.js';
import { doorsRows, grantsRows, scansRows } from './rows-doors.js';
import { commandRows, idleRows, nftablesRows, slowCommandRows } from './rows-latency.js';
import { floodRows, packetRows, ringRows, sourcesRows } from './rows-packets.js';

type Extract = (figures: unknown) => readonly Row[];

const EXTRACTS: Readonly<Record<string, Extract>> = {
  command: commandRows,
  nftables: nftablesRows,
  'slow-command': slowCommandRows,
  idle: idleRows,
  packets: packetRows,
  floods: floodRows,
  ring: ringRows,
  sources: sourcesRows,
  scans: scansRows,
  doors: doorsRows,
  grants: grantsRows,
};

/** Names of the scenarios whose figures can be told. */
export const TOLD: readonly string[] = Object.keys(EXTRACTS);

/** One row that says so for figures that are not as this bench writes them. */
export function rowsOf(name: string, figures: unknown): readonly Row[] {
  try {
    return EXTRACTS[name]?.(figures) ?? [];
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return [{ what: name, goal: '', measured: `unreadable figures: ${reason}`, knockd: '' }];
  }
}
