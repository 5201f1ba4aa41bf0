#!/usr/bin/env bash
# The network of a cluster, as docker-compose.yml has it: a Redis host, bastions and clients, each a
# network namespace, on one bridge in a namespace of its own. Nothing outside them is touched.
#
#   network.sh up NAME [BASTIONS] [CLIENTS]   three bastions and one client, unless said otherwise
#   network.sh down NAME                      ends what runs in them and removes them; may be repeated
#   network.sh cut NAME HOST                  no packet passes between that host and Redis any more
#   network.sh mend NAME HOST
#
#   namespace     address      IPv6           on the bridge, which is in NAME-net
#   NAME-redis    192.0.2.10   fd00:db8::10   redis
#   NAME-b1 …     192.0.2.11 … fd00:db8::11 … b1 …
#   NAME-c1 …     192.0.2.21 … fd00:db8::21 … c1 …
#
# In each of them the interface is eth0: names of interfaces are a namespace's own, so NAME may be long.
set -euo pipefail
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

usage() {
  sed -n 's/^#   \(network.sh [^ ]* NAME[^ ]*.*\)/\1/p' "${BASH_SOURCE[0]}" >&2
  exit 2
}

# A host on the bridge: its place and the last part of its addresses.
host() {
  local place=$1 number=$2
  local namespace=$name-$place
  ip netns add "$namespace"
  ip link add eth0 netns "$namespace" type veth peer name "$place" netns "$name-net"
  # Duplicate address detection would hold IPv6 back for a second or two.
  ip netns exec "$namespace" \
    sysctl -qw net.ipv6.conf.eth0.accept_dad=0 net.ipv6.conf.eth0.dad_transmits=0
  ip -n "$namespace" -batch - <<LINES
addr add 192.0.2.$number/24 dev eth0
addr add fd00:db8::$number/64 dev eth0 nodad
link set lo up
link set eth0 up
LINES
  ip -n "$name-net" link set "$place" master bridge up
}

up() {
  local bastions=${1:-3} clients=${2:-1} i
  ip netns add "$name-net"
  # Without snooping, neighbour discovery passes from the first packet on.
  ip -n "$name-net" link add bridge type bridge stp_state 0 mcast_snooping 0
  ip -n "$name-net" link set bridge up
  # Who is cut off from Redis. A cut cable: also ARP stays away, and nobody is told.
  ip netns exec "$name-net" nft -f - <<'RULES'
table bridge cuts {
  set places { type ifname; }
  chain forward {
    type filter hook forward priority 0
    iifname @places oifname "redis" drop
    iifname "redis" oifname @places drop
  }
}
RULES
  host redis 10
  for ((i = 1; i <= bastions; i += 1)); do host "b$i" $((10 + i)); done
  for ((i = 1; i <= clients; i += 1)); do host "c$i" $((20 + i)); done
}

down() {
  local namespace pid
  for namespace in $(ip netns list | sed -n "s/^\($name-\(net\|redis\|[bc][0-9]*\)\)\( .*\)\?$/\1/p"); do
    for pid in $(ip netns pids "$namespace"); do kill -9 "$pid" 2>/dev/null || true; done
    ip netns del "$namespace" 2>/dev/null || true
  done
}

# Adding what is there, and taking away what is not, change nothing.
cut_off() { ip netns exec "$name-net" nft add element bridge cuts places "{ \"$1\" }"; }
mend() {
  ip netns exec "$name-net" nft -f - <<RULES
add element bridge cuts places { "$1" }
delete element bridge cuts places { "$1" }
RULES
}

[ $# -ge 2 ] && [[ $2 =~ ^[A-Za-z0-9]+$ ]] || usage
command=$1 name=$2
shift 2
case $command in
  up) up "$@" ;;
  down) down ;;
  cut) [ $# -eq 1 ] && cut_off "$1" || usage ;;
  mend) [ $# -eq 1 ] && mend "$1" || usage ;;
  *) usage ;;
esac
