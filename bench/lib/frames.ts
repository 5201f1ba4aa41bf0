/** Frames of knocks on the wire of a test network, from any source address. */
import type { Protocol } from '../../machines/types.js';
import { frameOf } from '../../test/differential/frames.js';
import { type Network, SERVER4 } from '../../test/support/netns.js';

/** Where the source address of an IPv4 frame without VLAN tags stands. */
export const SOURCE_AT = 26;

const SYN = 2;

export interface Wire {
  /** Hardware addresses of the client's and the server's end. */
  readonly from: string;
  readonly to: string;
}

export async function wireOf(network: Network): Promise<Wire> {
  const address = async (side: 'client' | 'server') => {
    const file = `/sys/class/net/${network.interfaces[side]}/address`;
    return (await network.must(side, ['cat', file])).trim();
  };
  return { from: await address('client'), to: await address('server') };
}

/** One SYN (or datagram) to the server, in hexadecimal. */
export function hit(wire: Wire, source: string, port: number, protocol: Protocol = 'tcp'): string {
  const packet = {
    ...{ atMs: 0, source, destination: SERVER4, protocol, port, interfaceIndex: 0 },
    ...{ sourcePort: 40_000 + (port % 20_000), flags: protocol === 'tcp' ? SYN : 0 },
    sequence: 1000 + port,
  };
  return frameOf(packet, wire.from, wire.to).toString('hex');
}
