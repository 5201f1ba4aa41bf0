import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/**
 * The one text of an IP address that is used everywhere: a dotted quad, or RFC 5952. An IPv4
 * address mapped into IPv6 (::ffff:192.0.2.1) becomes the dotted quad; a zone (%eth0) is dropped,
 * for no packet carries one. Undefined for what is no address; shorthands such as `127.1` are none.
 */
export function canonicalAddress(text: string): string | undefined {
  const version = isIP(text);
  if (version !== 6) return version === 4 ? text : undefined;
  const [bare = ''] = text.split('%', 1);
  // By way of a URL, for ipaddr.js takes the old IPv4-compatible form ::192.0.2.1 for a mapped one.
  const address = ipaddr.IPv6.parse(new URL(`http://[${bare}]`).hostname.slice(1, -1));
  return address.isIPv4MappedAddress()
    ? address.toIPv4Address().toString()
    : address.toRFC5952String();
}
