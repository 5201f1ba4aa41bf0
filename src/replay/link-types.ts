/** Link-layer header types of capture files (tcpdump.org/linktypes.html) that can be parsed. */
const NAMES: ReadonlyMap<number, string> = new Map([
  [0, 'BSD loopback'],
  [1, 'Ethernet'],
  [101, 'raw IP'],
  [108, 'OpenBSD loopback'],
  [113, 'Linux cooked'],
  [228, 'raw IPv4'],
  [229, 'raw IPv6'],
  [276, 'Linux cooked v2'],
]);

/** What some systems write for raw IP in place of 101. */
const RAW_ALIASES: ReadonlySet<number> = new Set([12, 14]);

/** The link type as src/capture knows it; undefined when it is not one of those. */
export function knownLinkType(written: number): number | undefined {
  const linkType = RAW_ALIASES.has(written) ? 101 : written;
  return NAMES.has(linkType) ? linkType : undefined;
}

/** For an error message: `Ethernet (1), raw IP (101), …`. */
export function linkTypeList(): string {
  return [...NAMES].map(([number, name]) => `${name} (${number})`).join(', ');
}
