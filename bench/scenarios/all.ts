/** Every scenario, in the order in which they are run and told. */
import type { Scenario } from '../lib/scenario.js';
import { doors } from './doors.js';
import { floods, ring } from './floods.js';
import { grants } from './grants.js';
import { idle } from './idle.js';
import { command, nftables } from './latency.js';
import { packets } from './packet-cost.js';
import { scans } from './scans.js';
import { slowCommand } from './slow-command.js';
import { sources } from './sources.js';

export const SCENARIOS: readonly Scenario[] = [
  ...[command, nftables, packets, floods, ring, sources, scans, slowCommand, doors, grants, idle],
];
