/** Rulesets of hosts, as they are found: what `firewallAdvice` says of them is tried by connecting. */
import { OWN_TABLE, Script, TableName } from '../../sinks/nftables/script.js';
import { SERVICE } from '../support/lab.js';

export interface HostRuleset {
  /** What is odd about it, after "a ruleset with". */
  readonly name: string;
  /** Loaded with `nft -f -`. */
  readonly nft?: string;
  /** Loaded with `iptables-restore`, and the second one with `ip6tables-restore`. */
  readonly iptables?: readonly [string, string];
  /** Where the sets are: postern's own table with its guard, or this one. */
  readonly table: 'guard' | 'none' | string;
  /** What cannot be told of it; all else must be. */
  readonly unknown?: RegExp;
}

/** Sets as postern makes them. */
export const SETS = `
  set allow4 { type ipv4_addr . inet_proto . inet_service
    flags timeout
  }
  set allow6 { type ipv6_addr . inet_proto . inet_service
    flags timeout
  }
`;

const REFER = `
    ip saddr . meta l4proto . th dport @allow4 accept
    ip6 saddr . meta l4proto . th dport @allow6 accept
`;

/** What a chain needs for anything to work at all. */
const BASE = `
    ct state established,related accept
    iif "lo" accept
    meta l4proto { icmp, ipv6-icmp } accept
`;

const table = (chains: string, name = 'inet filter') => `table ${name} {\n${chains}\n}\n`;
const input = (rules: string, policy = 'drop', more = 'priority filter') =>
  `  chain input {\n    type filter hook input ${more}; policy ${policy};\n${rules}\n  }\n`;

/** The guard as postern makes it. */
export const GUARD = guardOf(TableName.of(OWN_TABLE));

function guardOf(own: TableName): string {
  const ports = [{ protocol: 'tcp', ports: [{ from: SERVICE, to: SERVICE }] }] as const;
  const made = [Script.ensureTable(own), Script.ensureSets(own), Script.guard(own, ports)];
  return `${Script.join(made).text}\n`;
}

const iptables = (icmp: string, rules: string) =>
  ['*filter', ':INPUT DROP [0:0]', ':user - [0:0]', '-A INPUT -i lo -j ACCEPT']
    .concat('-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT')
    .concat(`-A INPUT -p ${icmp} -j ACCEPT`, rules, 'COMMIT', '')
    .join('\n');
const both = (rules: string): readonly [string, string] => [
  iptables('icmp', rules),
  iptables('ipv6-icmp', rules),
];

/** The shape of Debian's ufw: user chains, `addrtype`, `multiport`, rejects and limits. */
const UFW = (accept: string) => `:ufw-before-input - [0:0]
:ufw-not-local - [0:0]
:ufw-logging-deny - [0:0]
:ufw-after-input - [0:0]
-A INPUT -j ufw-before-input
-A INPUT -j ufw-after-input
-A ufw-before-input -m conntrack --ctstate INVALID -j ufw-logging-deny
-A ufw-before-input -m conntrack --ctstate INVALID -j DROP
-A ufw-before-input -p udp --sport 67 --dport 68 -j ACCEPT
-A ufw-before-input -j ufw-not-local
-A ufw-before-input -j user
-A ufw-not-local -m addrtype --dst-type LOCAL -j RETURN
-A ufw-not-local -m addrtype --dst-type MULTICAST -j RETURN
-A ufw-not-local -j DROP
-A ufw-logging-deny -m limit --limit 3/min --limit-burst 10 -j LOG --log-prefix "[UFW BLOCK] "
-A ufw-after-input -p udp -m multiport --dports 137,138 -j DROP
-A user -p tcp -m multiport --dports 80,443${accept} -j ACCEPT`;

/** The shape of firewalld's tables: zones by goto, a reject at the end, a check of the way back. */
const FIREWALLD = (ports: string) =>
  table(
    `chain mangle_PREROUTING { type filter hook prerouting priority mangle + 10; policy accept;
      icmpv6 type { nd-router-advert, nd-neighbor-solicit } accept
      meta nfproto ipv6 fib saddr . mark . iif oif missing drop
    }
    chain nat_PREROUTING { type nat hook prerouting priority dstnat + 10; policy accept;
      jump nothing
    }
    chain nothing {
    }
    chain filter_INPUT { type filter hook input priority filter + 10; policy accept;
      ct state { established, related } accept
      ct status dnat accept
      iifname "lo" accept
      ct state invalid drop
      jump filter_INPUT_ZONES
      reject with icmpx admin-prohibited
    }
    chain filter_INPUT_ZONES {
      ip saddr 198.51.100.0/24 goto filter_IN_drop
      iifname "eth7" goto filter_IN_drop
      goto filter_IN_public
    }
    chain filter_IN_drop { drop
    }
    chain filter_IN_public {
      jump filter_IN_public_allow
      meta l4proto { icmp, ipv6-icmp } accept
    }
    chain filter_IN_public_allow { tcp dport ${ports} accept
      ip6 daddr fe80::/64 udp dport 546 accept
    }`,
    'inet firewalld',
  );

export const RULESETS: readonly HostRuleset[] = [
  { name: 'nothing but the guard', nft: GUARD, table: 'guard' },
  {
    name: 'the guard and a chain that drops all the same',
    nft: GUARD + table(input(BASE)),
    table: 'guard',
  },
  {
    name: 'the guard and a chain that accepts the port',
    nft: GUARD + table(input(`${BASE} tcp dport { 22, ${SERVICE} } accept`)),
    table: 'guard',
  },
  {
    name: 'the guard, and a chain that refers to sets of another table by its own of that name',
    nft: GUARD + table(SETS + input(BASE + REFER)),
    table: 'guard',
  },
  { name: 'no chain at all', nft: table(SETS), table: 'inet filter' },
  {
    name: 'the sets and a policy that drops',
    nft: table(SETS + input(BASE + REFER)),
    table: 'inet filter',
  },
  {
    name: 'the sets, used for IPv4 alone',
    nft: table(SETS + input(`${BASE} ip saddr . meta l4proto . th dport @allow4 accept`)),
    table: 'inet filter',
  },
  {
    name: 'the sets, used behind a rule that rejects',
    nft: table(SETS + input(`${BASE} tcp dport ${SERVICE} reject with tcp reset\n${REFER}`)),
    table: 'inet filter',
  },
  {
    name: 'the sets, used in front of a rule that rejects, in a chain that accepts',
    nft: table(SETS + input(`${REFER} tcp dport 2000-3000 ct state new reject`, 'accept')),
    table: 'inet filter',
  },
  {
    name: 'the sets, but the port open to all',
    nft: table(
      SETS + input(`${BASE}${REFER} tcp dport ${SERVICE} ct state new limit rate 10/second accept`),
    ),
    table: 'inet filter',
  },
  {
    name: 'a second base chain that drops what the first accepts',
    nft:
      table(SETS + input(BASE + REFER)) +
      table(input(`tcp dport ${SERVICE} drop`, 'accept', 'priority filter + 5'), 'inet other'),
    table: 'inet filter',
  },
  {
    name: 'a chain in prerouting that drops',
    nft:
      table(SETS + input(BASE + REFER)) +
      table(
        `chain early { type filter hook prerouting priority raw; policy accept;
          meta nfproto ipv6 tcp dport ${SERVICE} drop
        }`,
        'inet early',
      ),
    table: 'inet filter',
  },
  {
    name: 'jumps, gotos and returns',
    nft: table(
      `${SETS}
      chain web { tcp dport { 80, 443 } accept
        return
      }
      chain known { ${REFER}
      }
      chain end { counter
      }
      ${input(`${BASE} ct state new jump web
        ct state new tcp flags & (fin | syn | rst | ack) == syn jump known
        tcp dport ${SERVICE} goto end
        tcp dport ${SERVICE} accept`)}`,
    ),
    table: 'inet filter',
  },
  {
    name: 'verdict maps',
    nft: table(
      `${SETS}
      chain knocked { ${REFER}
      }
      map services { type inet_service : verdict
        elements = { 80 : accept, ${SERVICE} : jump knocked }
      }
      ${input(`ct state vmap { established : accept, related : accept, invalid : drop }
        meta l4proto { icmp, ipv6-icmp } accept
        tcp dport vmap @services
        tcp dport vmap { 23-1023 : drop, 22 : accept }`)}`,
    ),
    table: 'inet filter',
  },
  {
    name: 'lists of addresses: some banned, some trusted',
    nft: table(
      `${SETS}
      set banned { type ipv4_addr
        flags interval, timeout
        elements = { 198.51.100.0/24 timeout 1h, 203.0.113.7 timeout 1h }
      }
      ${input(`${BASE} ip saddr @banned drop
        ip saddr { 10.0.0.0/8, 172.16.0.0/12 } accept
        ip6 saddr fc00::/64 tcp dport ${SERVICE} accept
        ${REFER}`)}`,
    ),
    table: 'inet filter',
  },
  {
    name: 'interfaces: the port is open on another one',
    nft: table(
      SETS +
        input(`${BASE} iifname "wg*" accept
        iifname != "pt*" accept
        ${REFER}`),
    ),
    table: 'inet filter',
  },
  {
    name: 'the port open on the interface that is listened on',
    nft: table(SETS + input(`${BASE}${REFER} iifname "pt*" tcp dport >= 2000 accept`)),
    table: 'inet filter',
  },
  {
    name: 'sets in a table of IPv4 alone, and none for IPv6',
    nft: table(
      `${SETS}${input(`ct state established accept
        ip protocol icmp accept
        ip saddr . ip protocol . tcp dport @allow4 accept`)}`,
      'ip fw',
    ),
    table: 'ip fw',
  },
  {
    name: 'a mark that decides',
    nft: table(SETS + input(`${BASE} meta mark 0x5 drop\n${REFER}`)),
    table: 'inet filter',
    unknown: /meta mark/,
  },
  {
    name: 'a list of half the world',
    nft: table(
      SETS + input(`${BASE} ip saddr != { 0.0.0.0-127.255.255.255, 192.0.0.0/8 } drop\n${REFER}`),
    ),
    table: 'inet filter',
    unknown: /addresses of many sources/,
  },
  {
    name: 'a redirect of the port',
    nft:
      table(SETS + input(BASE + REFER)) +
      table(
        `chain pre { type nat hook prerouting priority dstnat; policy accept;
          tcp dport ${SERVICE} redirect to :2223
        }`,
        'inet nat',
      ),
    table: 'inet filter',
    unknown: /is not judged here/,
  },
  {
    name: 'the guard and iptables that drops by default',
    nft: GUARD,
    iptables: both('-A INPUT -p tcp --dport 80 -j ACCEPT'),
    table: 'guard',
  },
  {
    name: 'the guard and iptables that lets the port through',
    nft: GUARD,
    iptables: both(`-A INPUT -p tcp -m conntrack --ctstate NEW --dport ${SERVICE} -j ACCEPT`),
    table: 'guard',
  },
  {
    name: 'iptables that rejects at the end, and no guard',
    nft: table(SETS + input(BASE + REFER)),
    iptables: both(`-A INPUT -p tcp --dport ${SERVICE} -j REJECT --reject-with tcp-reset`),
    table: 'inet filter',
  },
  {
    name: 'the guard and ufw with the port open',
    nft: GUARD,
    iptables: both(UFW(`,${SERVICE}`)),
    table: 'guard',
  },
  {
    name: 'the guard and ufw with the port shut',
    nft: GUARD,
    iptables: both(UFW('')),
    table: 'guard',
  },
  {
    name: 'the guard and firewalld with the port open',
    nft: GUARD + FIREWALLD(`{ 22, ${SERVICE} }`),
    table: 'guard',
  },
  {
    name: 'the guard and firewalld with the port shut',
    nft: GUARD + FIREWALLD('22'),
    table: 'guard',
  },
  {
    name: 'iptables with the port open to all, and neither guard nor table',
    iptables: both(`-A INPUT -p tcp --syn --dport ${SERVICE} -j ACCEPT`),
    table: 'none',
  },
  {
    name: 'iptables with an extension that nobody can judge',
    nft: GUARD,
    iptables: both(
      `-A INPUT -p tcp --dport ${SERVICE} -m recent --name x --rcheck -j DROP\n` +
        `-A INPUT -p tcp --dport ${SERVICE} -j ACCEPT`,
    ),
    table: 'guard',
    unknown: /recent of iptables/,
  },
];
