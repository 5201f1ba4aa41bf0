#!/usr/bin/env bash
# npm run demo: postern at work on two network namespaces, in some fifteen seconds. Needs root.
# Nothing outside the namespaces is touched, and nothing is left behind. Exit 0: all went as told.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
[ "$EUID" = 0 ] || { echo "The demo makes two network namespaces, which takes root: sudo npm run demo" >&2; exit 1; }
bash "$root/scripts/setup.sh" demo
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

host=posternd$$ visitor=posternv$$
address=192.0.2.1 port=2222 open_for=5
sequence=(7045 8123:udp 6310)
folder=$(mktemp -d /tmp/postern-demo.XXXXXX)
postern=(node "$root/dist/src/cli/postern.js")
pids=()

if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
else bold='' dim='' green='' red='' plain=''; fi
step() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
note() { printf '  %s%s%s\n' "$dim" "$*" "$plain"; }
good() { printf '  %s✓%s %s\n' "$green" "$plain" "$*"; }
fail() {
  printf '  %s✗%s %s\n' "$red" "$plain" "$*"
  if [ -s "$folder/log" ]; then echo '  postern said:'; tail -n 20 "$folder/log" | sed 's/^/    /'; fi
  exit 1
}

cleanup() {
  trap - EXIT
  trap '' HUP INT TERM
  local pid namespace
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do
    until_true 60 has_ended "$pid" || kill -9 "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  for namespace in "$host" "$visitor"; do ip netns del "$namespace" 2>/dev/null || true; done
  rm -rf "$folder"
}
trap cleanup EXIT
trap 'exit 130' HUP INT TERM

on_host() { ip netns exec "$host" "$@"; }
from_visitor() { ip netns exec "$visitor" "$@"; }

build_network() {
  ip netns add "$host"
  ip netns add "$visitor"
  ip link add door netns "$host" type veth peer name road netns "$visitor"
  ip -n "$host" addr add "$address/24" dev door
  ip -n "$visitor" addr add 192.0.2.2/24 dev road
  ip -n "$host" link set lo up
  ip -n "$host" link set door up
  ip -n "$visitor" link set road up
}

build_firewall() {
  on_host nft -f - <<'N'
table inet demo {
  set allowed { type ipv4_addr; }
  chain input {
    type filter hook input priority filter; policy drop;
    iif lo accept
    ct state established,related accept
    ip saddr @allowed tcp dport 2222 accept
  }
}
N
}

start_service() {
  : >"$folder/service"
  # Not through on_host: $! must be the pid of the program, not of a shell around it.
  ip netns exec "$host" node -e '
    const greet = (socket) => socket.end("Welcome: this is the service behind the door.\n");
    require("net").createServer(greet).listen(2222, () => console.log("up"));' >"$folder/service" &
  pids+=($!)
  until_true 50 grep -q up "$folder/service" || fail "the TCP service did not start"
}

write_configuration() {
  local nft knocks
  nft=$(command -v nft)
  knocks=$(IFS=,; echo "${sequence[*]}")
  cat >"$folder/knockd.conf" <<K
[service]
  sequence      = $knocks
  seq_timeout   = 10
  tcpflags      = syn
  start_command = $nft add element inet demo allowed { %IP% }
  cmd_timeout   = $open_for
  stop_command  = $nft delete element inet demo allowed { %IP% }
K
  chmod 600 "$folder/knockd.conf"
}

start_postern() {
  : >"$folder/log"
  ip netns exec "$host" "${postern[@]}" run -c "$folder/knockd.conf" -i door --state-dir "$folder/state" \
    >"$folder/log" 2>&1 &
  pids+=($!)
  until_true 300 said_listening_or_ended "$!" || true
  grep -q listening "$folder/log" || fail "postern did not start listening"
}

has_ended() { ! kill -0 "$1" 2>/dev/null; }
said_listening_or_ended() { grep -q listening "$folder/log" || has_ended "$1"; }

# Tries a command up to so many times, a twentieth of a second apart.
until_true() {
  local left=$1
  shift
  until "$@"; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || return 1
    sleep 0.05
  done
}

# What the visitor gets to read from the service; fails when it cannot connect in 0.3 s.
visit() {
  # shellcheck disable=SC2016  # the $ are for the inner shell
  from_visitor timeout 0.3 bash -c 'exec 3<>"/dev/tcp/$0/$1" && head -n 1 <&3' "$address" "$port" \
    2>/dev/null
}
is_shut() { ! visit >/dev/null; }

step "1. A host and a visitor"
note "Two network namespaces on one wire. The host's nftables drop whatever comes in uninvited;"
note "behind them a TCP service on port $port. postern reads this knockd.conf:"
build_network
build_firewall
start_service
write_configuration
sed 's/^/      /' "$folder/knockd.conf"
start_postern
good "postern is listening on the host"

step "2. Before the knock"
is_shut || fail "the service answers before anybody knocked"
good "the visitor cannot connect: $address port $port is silent"

step "3. The visitor knocks: postern knock $address ${sequence[*]}"
from_visitor "${postern[@]}" knock "$address" "${sequence[@]}" || fail "the knock could not be sent"
until_true 40 visit >/dev/null || fail "the service stays shut after the knock"
good "the service answers the visitor: \"$(visit)\""
note "postern status, on the host:"
on_host "${postern[@]}" status --state-dir "$folder/state" | sed 's/^/      /'
note "The rule that the start command added:"
on_host nft list set inet demo allowed | grep elements | sed 's/^[[:space:]]*/      /' ||
  fail "the start command left no rule"

step "4. $open_for seconds later"
until_true $((open_for * 20 + 40)) is_shut || fail "the service still answers"
good "closed again: the stop command took the rule back"
! on_host nft list set inet demo allowed | grep -q elements || fail "the rule is still there"
note "What the journal keeps of it (postern events):"
on_host "${postern[@]}" events --state-dir "$folder/state" |
  sed 's/  configuration=[^ ]*//; s/^/      /'

step "That is all. Nothing of it stays: the namespaces are removed now."
