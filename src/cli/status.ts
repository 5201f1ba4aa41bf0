/** `postern status`: the running postern at a glance. */
import { escapeControls } from '../../config/diagnostics.js';
import { ask } from '../control/client.js';
import type { Status } from '../control/protocol.js';
import { PosternError } from '../errors.js';
import { clusterLines } from './cluster-status.js';
import { duration } from './words.js';

const AWAY = 'away: doors close, but only those that the kernel times alone open';

/** @throws PosternError POSTERN_E_CONTROL when no postern answers on the socket. */
export async function runStatus(socket: string, json: boolean): Promise<void> {
  for await (const reply of ask(socket, { command: 'status' })) {
    if (!('status' in reply)) continue;
    process.stdout.write(json ? `${JSON.stringify(reply.status)}\n` : statusText(reply.status));
    return;
  }
  throw new PosternError('POSTERN_E_CONTROL', 'postern ended before it answered; ask again');
}

/** The status as a person reads it. Names are escaped: they may hold anything. */
export function statusText(status: Status): string {
  const { version, host, pid, uptimeSeconds, configuration, redis } = status;
  const lines = [
    `postern ${version} on ${host}, pid ${pid}, up ${duration(uptimeSeconds)}`,
    `configuration  ${configuration}`,
    ...(redis === 'away' ? [`redis          ${AWAY}`] : []),
    ...status.firewall.map((finding) => `firewall       ${finding}`),
    ...status.sinks.map((problem) => `sink           ${problem}`),
    '',
    'SENSORS',
    ...status.sensors.map(({ interface: name, state, reason, frames, malformed, dropped }) => {
      const why = reason === undefined ? '' : ` (${reason})`;
      const lost = dropped === 0 ? '' : `, ${dropped} dropped`;
      return `  ${name}: ${state}${why}, ${frames} frames, ${malformed} malformed${lost}`;
    }),
    '',
    'DOORS',
    ...status.doors.map(({ door, knocks, sequencesLeft }) => {
      const left = sequencesLeft === undefined ? '' : `, ${sequencesLeft} one-time sequences left`;
      return `  ${door}: ${knocks} knocks${left}`;
    }),
    '',
    status.grants.length === 0 ? 'OPEN  none' : 'OPEN',
    ...status.grants.map(({ door, source, state, leftSeconds, from, unjournalled }) => {
      const left = leftSeconds === null ? '' : `, ${duration(leftSeconds)} left`;
      const knocked = from === undefined ? '' : `, knocked at ${from}`;
      const told = unjournalled ? ', NOT IN THE JOURNAL YET' : '';
      return `  ${door} for ${source}: ${state}${left}${knocked}${told}`;
    }),
    ...deliveryLines(status.deliveries),
    ...(status.cluster === undefined ? [] : ['', ...clusterLines(status.cluster)]),
    '',
    `sources remembered  ${status.knocks.dormant} with one packet, ${status.knocks.machines} knocking`,
    `dropped for newer   ${status.knocks.dormantEvicted} and ${status.knocks.machinesEvicted}`,
    ...(status.knocks.ignored > 0
      ? [`ignored             ${status.knocks.ignored} for too many attempts`]
      : []),
    ...(status.rejectedEvents > 0
      ? [`EVENTS THAT DID NOT VERIFY  ${status.rejectedEvents}: somebody wrote to the journal`]
      : []),
  ];
  return `${lines.map(escapeControls).join('\n')}\n`;
}

/** Nothing, unless somebody is still to be told. */
function deliveryLines(deliveries: Status['deliveries']): readonly string[] {
  const waiting = deliveries.filter(({ owed }) => owed > 0);
  if (waiting.length === 0) return [];
  return [
    '',
    'STILL TO BE TOLD',
    ...waiting.map(({ sink, owed, nextSeconds, reason }) => {
      const why = reason === undefined ? '' : ` (${reason})`;
      return `  ${sink}: ${owed}, next try in ${duration(nextSeconds)}${why}`;
    }),
  ];
}
