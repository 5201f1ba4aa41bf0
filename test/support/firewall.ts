import type { Network } from './netns.js';

/**
 * What the how-tos on port knocking set up on the server: nothing comes in uninvited, established
 * connections stay. `iptables` here is Debian's, on nf_tables.
 */
export async function dropByDefault(network: Network): Promise<void> {
  const rules = (icmp: string) =>
    [
      '*filter',
      ':INPUT DROP [0:0]',
      '-A INPUT -i lo -j ACCEPT',
      '-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT',
      `-A INPUT -p ${icmp} -j ACCEPT`,
      'COMMIT',
      '',
    ].join('\n');
  await network.must('server', ['iptables-restore'], { input: rules('icmp') });
  // Without ICMPv6 the neighbours do not find each other.
  await network.must('server', ['ip6tables-restore'], { input: rules('ipv6-icmp') });
}

/** How many rules of INPUT name this source address. */
export async function rulesFor(network: Network, source: string): Promise<number> {
  const tool = source.includes(':') ? 'ip6tables' : 'iptables';
  const listing = await network.must('server', [tool, '-S', 'INPUT']);
  return listing.split('\n').filter((rule) => rule.includes(`-s ${source}/`)).length;
}
