import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/**
 * The one text of an IP address that is used everywhere: a dotted quad, or RFC 5952. An IPv4
 * address mapped into IPv6 (::ffff:192.0.2.1) becomes the dotted quad; a zone (%eth0) is dropped,
 * for no packet carries one. Undefined for what is no address; shorthands such as `127.1` are none.
 */
export function canonicalAddress(text: string): string | undefined {
  const [bare = ''] = text.split('%', 1);
  if (isIP(text) === 0) return undefined;
  const address = ipaddr.process(bare);
  return address.kind() === 'ipv6'
    ? new ipaddr.IPv6(address.toByteArray()).toRFC5952String()
    : address.toString();
}
