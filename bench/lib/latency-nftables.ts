/** Blocks of knocks that put an element into a set of nftables, which a port's guard refers to. */
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CLIENT4, SERVER4 } from '../../test/support/netns.js';
import type { ProbedKnock, ProbeInput, ProbeOutput } from '../latency-probe.js';
import { hit, wireOf } from './frames.js';
import { type Bench, PORTS, type Subject, sourceOf } from './latency.js';
import { READY_TABLE } from './latency-elements.js';
import { type ProgramName, type Running, type Start, start } from './programs.js';

const PROBE = fileURLToPath(new URL('../latency-probe.js', import.meta.url));
const SERVICE = 2222;
/** Longer than a block: no door closes while others are measured. */
const OPEN_SECONDS = 600;
const SET: Readonly<Record<Subject, string>> = {
  floor: 'inet bench allow4',
  knockd: 'inet bench allow4',
  postern: 'inet postern allow4',
};

/** What `nft_guard = yes` makes for this door, by hand. */
const GUARD = `table inet bench {
  set allow4 {
    type ipv4_addr . inet_proto . inet_service; flags timeout; size 65535;
  }
  chain guard {
    type filter hook input priority -10; policy accept;
    ct state { established, related } accept
    iif lo accept
    ip saddr . meta l4proto . th dport @allow4 accept
    tcp dport { ${SERVICE} } drop
  }
}
`;

/** A service to connect to, and the sources' addresses on the client's end of the wire. */
export async function prepare({ network, plan }: Bench): Promise<void> {
  const { server, client } = network.interfaces;
  const route = ['ip', 'route', 'add', '10.0.0.0/8', 'via', CLIENT4, 'dev', server];
  await network.must('server', route);
  const adds = Array.from({ length: 2 * plan.knocks }, (_, index) => {
    return `addr add ${sourceOf(index)}/32 dev ${client}\n`;
  });
  await network.must('client', ['ip', '-batch', '-'], { input: adds.join('') });
  const script = `require('node:net').createServer((socket) => socket.on('error', () => {}))
    .listen(${SERVICE}, '${SERVER4}', () => console.log('up'))`;
  const service = network.spawn('server', [process.execPath, '-e', script]);
  if (service.stdout) await once(service.stdout, 'data');
}

export async function nftablesBlock(bench: Bench, subject: Subject): Promise<ProbeOutput> {
  const { network, folder } = bench;
  const tables = subject === 'postern' ? READY_TABLE : `${GUARD}${READY_TABLE}`;
  await network.must('server', ['nft', '-f', '-'], { input: `${tables}\n` });
  const running = await startSubject(bench, subject, join(folder, subject));
  try {
    const input = JSON.stringify(await probeInput(bench, subject));
    const options = { input, timeoutMs: 180_000 };
    return JSON.parse(await network.must('client', [process.execPath, PROBE], options));
  } finally {
    await running?.dispose();
    await network.must('server', ['nft', 'flush', 'ruleset']);
  }
}

async function startSubject(
  { network }: Bench,
  subject: Subject,
  folder: string,
): Promise<Running | undefined> {
  return subject === 'floor' ? undefined : start(subject, network, doorOf(subject, folder));
}

function doorOf(name: ProgramName, folder: string): Start {
  const sequence = `[bench]\nsequence = ${PORTS.join(',')}\nseq_timeout = 5\ntcpflags = syn\n`;
  const element = `{ %IP% . tcp . ${SERVICE} timeout ${OPEN_SECONDS}s }`;
  return name === 'postern'
    ? {
        doors: `${sequence}allow = ${SERVICE}/tcp\ncmd_timeout = ${OPEN_SECONDS}\n`,
        options: 'nft_guard = yes',
        folder,
      }
    : { doors: `${sequence}command = nft add element ${SET[name]} ${element}\n`, folder };
}

/** By turns one for the element and one for the connection. */
async function probeInput({ network, plan }: Bench, subject: Subject): Promise<ProbeInput> {
  const wire = await wireOf(network);
  const knocks = Array.from({ length: 2 * plan.knocks }, (_, index): ProbedKnock => {
    const source = sourceOf(index);
    const hits = subject === 'floor' ? [] : PORTS.map((port) => hit(wire, source, port));
    return { source, hits, sees: index % 2 === 0 ? 'element' : 'connection' };
  });
  return {
    device: network.interfaces.client,
    serverNamespace: network.namespaces.server,
    ...{ set: SET[subject], server: SERVER4, port: SERVICE, knocks },
  };
}
