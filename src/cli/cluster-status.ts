/** The cluster in `postern status`. Nothing is escaped here: that is done to whole lines. */
import type { ClusterGrantStatus, ClusterHostStatus, ClusterStatus } from '../cluster/status.js';
import { duration, table, wrapped } from './words.js';

const SHUT = 'one-time, everywhere and once doors stay shut, all others work';

export function clusterLines(cluster: ClusterStatus): readonly string[] {
  const { name, behind, rejected, hosts } = cluster;
  const rows = table(hosts.map(hostCells)).map((row) => `  ${row}`);
  return [
    ...wrapped('CLUSTER  ', `${name}: ${stateWords(cluster)}`),
    ...hosts.flatMap((host, index) => [rows[index] ?? '', ...differences(host)]),
    ...(behind > 0 ? [`  events owed  ${behind}: the cluster journal lacks them so far`] : []),
    ...(rejected > 0
      ? [`  MESSAGES DROPPED  ${rejected}: they did not verify, came twice, or too late`]
      : []),
    '',
    ...openElsewhere(cluster),
  ];
}

function stateWords({ state, reason }: ClusterStatus): string {
  const why = reason === undefined ? '' : `: ${reason}`;
  switch (state) {
    case 'joined':
      return 'joined';
    case 'joining':
      return `joining${why}; until then ${SHUT}`;
    case 'away':
      return `AWAY${why}; ${SHUT}`;
    case 'refused':
      return `THIS HOST TAKES NO PART${why}; ${SHUT}`;
  }
}

function hostCells({ host, state, isSelf, seenSecondsAgo, version }: ClusterHostStatus) {
  const seen = isSelf ? 'this host' : `${duration(seenSecondsAgo)} ago`;
  return [host, state === 'away' ? 'AWAY' : state, seen, version];
}

/** What an operator should put right, each below the host it is about. */
function differences(host: ClusterHostStatus): readonly string[] {
  const { clockAheadMs: aheadMs, doorsMissingHere, doorsMissingThere, doorsThatDiffer } = host;
  const about = (title: string, doors: readonly string[]) =>
    doors.length === 0 ? [] : wrapped(`    ${title}  `, doors.map((door) => `[${door}]`).join(' '));
  const seconds = Math.abs((aheadMs ?? 0) / 1000).toFixed(1);
  const side = (aheadMs ?? 0) > 0 ? 'ahead of' : 'behind';
  return [
    ...(aheadMs === undefined ? [] : [`    CLOCK  ${seconds} s ${side} ours`]),
    ...about('DOORS IT LACKS', doorsMissingThere),
    ...about('DOORS WE LACK', doorsMissingHere),
    ...about('DOORS THAT DIFFER', doorsThatDiffer),
  ];
}

function openElsewhere({ grants, hosts, state }: ClusterStatus): readonly string[] {
  const own = new Set(hosts.filter(({ isSelf }) => isSelf).map(({ host }) => host));
  const others = grants.filter(({ host }) => !own.has(host));
  const heard = state === 'joined' ? '' : ' (as last heard)';
  return [
    others.length === 0 ? 'OPEN ON OTHER HOSTS  none' : `OPEN ON OTHER HOSTS${heard}`,
    ...others.toSorted(byDoor).map((grant) => `  ${grantWords(grant, hosts)}`),
  ];
}

function byDoor(one: ClusterGrantStatus, other: ClusterGrantStatus): number {
  const order = ({ door, source, host }: ClusterGrantStatus) => [door, source, host].join('\0');
  return order(one) < order(other) ? -1 : 1;
}

function grantWords(
  { door, source, host, state, leftSeconds }: ClusterGrantStatus,
  hosts: readonly ClusterHostStatus[],
): string {
  const absent = absence(hosts.find((each) => each.host === host)?.state);
  return `${door} for ${source} on ${host}: ${state}${leftWords(leftSeconds)}${absent}`;
}

function absence(state: ClusterHostStatus['state'] | undefined): string {
  if (state === undefined) return '; no sign of life of that host';
  return state === 'alive' ? '' : `; that host is ${state === 'away' ? 'AWAY' : state}`;
}

function leftWords(seconds: number | null): string {
  if (seconds === null) return '';
  return seconds < 0 ? ', SHOULD BE CLOSED BY NOW' : `, ${duration(seconds)} left`;
}
