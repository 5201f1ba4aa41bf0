#!/usr/bin/env bash
# Brings docker-compose.yml up, knocks, and takes it down again; every line that begins with "ok" was
# looked at. Needs Docker Engine and its compose plugin; without one, scripts/with-docker.sh has some.
#   test/docker/try.sh          builds the image first
#   test/docker/try.sh built    takes the image `postern` that is there
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
b1=192.0.2.11 b2=192.0.2.12 b3=192.0.2.13 client=192.0.2.21

compose() { docker compose --project-name postern-try --profile three "$@"; }
in_container() { compose exec -T "$@"; }
say() { printf '%s\n' "$*"; }

finish() {
  local code=$?
  if [ "$code" != 0 ]; then
    say "FAILED"
    compose ps -a || true
    compose logs --no-color --tail 40 || true
  fi
  compose down --volumes --timeout 5 >/dev/null 2>&1 || true
  exit "$code"
}

ok() { say "ok  $*"; }
fail() { say "not ok  $*"; exit 1; }

# What the client finds at a port within half a second: open or shut.
finds() {
  # shellcheck disable=SC2016  # the $ are JavaScript's
  in_container client node -e '
    const [host, port] = process.argv.slice(1);
    const say = (word) => process.exit(console.log(word));
    const socket = require("node:net").connect({ host, port });
    socket.on("data", () => say("open")).on("error", () => say("shut"));
    setTimeout(say, 500, "shut")' "$1" "$2"
}

# Asks again until it is so, for that many seconds: eventually SECONDS WHAT COMMAND...
eventually() {
  local until=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do [ $SECONDS -lt $until ] || fail "$what"; done
  ok "$what"
}
reaches() { [ "$(finds "$@")" = open ]; }
shut() { [ "$(finds "$@")" = shut ]; }
both_shut() { shut $b1 "$1" && shut $b2 "$1"; }
knock() { in_container client knock -d 20 "$@"; }
# Root of a container has the rights that the container has.
ruleset_has() { compose exec -T --user root "$1" nft list table inet postern | grep "$2"; }
marked() { in_container "$1" grep -q '^#4' /var/lib/postern/sequences/admin; }
says() { compose logs --no-color --no-log-prefix "$1" | grep "$2"; }

# Every other process of a container: user, rights (permitted, effective, bounding), whether it can
# gain none, and its command line.
processes() {
  # shellcheck disable=SC2016  # the $ are JavaScript's
  in_container "$1" node -e '
    const { readdirSync, readFileSync } = require("node:fs");
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name) && name != process.pid)) {
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      const of = (key) => new RegExp(`^${key}:\\s*(\\w+)`, "m").exec(status)[1];
      const line = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
      console.log(["Uid", "CapPrm", "CapEff", "CapBnd", "NoNewPrivs"].map(of).join(" "), line);
    }'
}

check_rights() {
  local line uid prm eff bnd nnp what sensors=0 lines none=0000000000000000 raw=0000000000002000
  lines=$(processes bastion1)
  while read -r uid prm eff bnd nnp what; do
    line="$uid $prm $eff $bnd $nnp $what"
    [ "$uid" = 10001 ] || fail "not the image's user: $line"
    [ "$nnp" = 1 ] || fail "could gain rights: $line"
    [ "$((0x$bnd & ~0x3000))" = 0 ] || fail "more than NET_ADMIN and NET_RAW: $line"
    case $what in
      *sensor.js*)
        sensors=1
        [ "$prm $eff" = "$raw $raw" ] || fail "the sensor: $line"
        ;;
      *redis-server*) [ "$prm $eff" = "$none $none" ] || fail "Redis: $line" ;;
    esac
  done <<<"$lines"
  [ "$sensors" = 1 ] || fail "there is no sensor in: $lines"
  ok "no process is root's; the sensor has NET_RAW alone, Redis nothing, nobody can gain more"
}

check_doors() {
  local port
  for port in 2222 8080 2223; do
    both_shut $port || fail "port $port is open without a knock"
  done
  ok "all ports are shut"

  knock $b1 18273 9146:udp 31544
  eventually 5 "ssh: opens on the bastion that was knocked on" reaches $b1 2222
  ruleset_has bastion1 "$client . tcp . 2222" >/dev/null || fail "ssh is open, but not by nftables"
  shut $b2 2222 || fail "ssh is open on the other bastion too"
  ok "ssh: shut on the other, and in nftables' set on this one"

  knock $b2 27114 8410 19873:udp
  eventually 5 "web: opens on the bastion that was knocked on" reaches $b2 8080
  eventually 5 "web: and on the other one" reaches $b1 8080

  knock $b1 41207 7351:udp 22918
  eventually 5 "admin: a one-time sequence opens" reaches $b1 2223
  eventually 5 "admin: on the other bastion too" reaches $b2 2223
  eventually 5 "admin: its line is marked on the one" marked bastion1
  eventually 5 "admin: and on the other" marked bastion2
  in_container bastion2 postern close admin $client >/dev/null
  eventually 5 "postern close: shut where it was said" shut $b2 2223
  eventually 5 "postern close: and on the other bastion" shut $b1 2223

  eventually 40 "ssh: shut after its time" shut $b1 2222
  eventually 10 "web: shut after its time" shut $b1 8080
  eventually 10 "web: on both" shut $b2 8080
  knock $b2 41207 7351:udp 22918
  sleep 1
  both_shut 2223 || fail "a used sequence opened"
  ok "admin: the used sequence opens nothing any more"
}

check_failures() {
  compose stop --timeout 3 redis >/dev/null 2>&1
  knock $b1 18273 9146:udp 31544
  eventually 5 "without the shared Redis: ssh opens" reaches $b1 2222
  knock $b1 27114 8410 19873:udp
  eventually 5 "without the shared Redis: web is refused, and the log says so" says bastion1 'door":"web".*not opened'
  shut $b1 8080 || fail "web is open"
  compose start redis >/dev/null 2>&1
  # shellcheck disable=SC2016  # for the inner shell
  eventually 15 "the shared Redis is back" in_container redis sh -c 'REDISCLI_AUTH=$(cat /etc/postern/redis.password) redis-cli ping'

  knock_until_open
  compose kill --signal KILL bastion2 >/dev/null 2>&1
  compose up -d --no-build bastion2 >/dev/null 2>&1
  # Its network is a new one.
  compose restart service2 >/dev/null 2>&1
  compose up -d --no-build bastion3 service3 >/dev/null 2>&1
  eventually 20 "a bastion that was killed opens what is still open" reaches $b2 8080
  eventually 20 "and so does one that joins" reaches $b3 8080
  eventually 40 "it is shut in time on the one" shut $b2 8080
  eventually 10 "and on the other" shut $b3 8080
  compose kill --signal HUP bastion1 >/dev/null 2>&1
  eventually 5 "SIGHUP reloads" says bastion1 'configuration reloaded'
  compose stop bastion1 >/dev/null 2>&1
  [ "$(compose ps -a bastion1 --format '{{.ExitCode}}')" = 0 ] || fail "a bastion does not end by itself"
  ok "docker compose stop ends a bastion, with exit code 0"
}

# The bastions need a moment to be in the cluster again.
knock_until_open() {
  local tries
  for tries in 1 2 3 4 5 6; do
    knock $b1 27114 8410 19873:udp
    sleep 1
    ! reaches $b2 8080 || { ok "web opens again, at knock $tries"; return; }
  done
  fail "web does not open"
}

trap finish EXIT
[ "${1:-}" = built ] || docker build --tag postern .
docker compose config --quiet
ok "docker compose takes the file ($(docker compose version --short), engine $(docker version --format '{{.Server.Version}}'))"
compose up -d --no-build redis client service1 service2 >/dev/null 2>&1 || fail "docker compose up"
ok "two bastions, healthy"
check_rights
! in_container bastion1 touch /usr/x 2>/dev/null || fail "the root can be written"
ok "the root cannot be written"
[ "$(in_container service1 sh -c 'grep CapBnd /proc/1/status')" = $'CapBnd:\t0000000000000000' ] || fail "the service has rights"
ok "what is behind the doors has no right at all"
check_doors
check_failures
ok "all"
