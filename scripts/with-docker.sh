#!/usr/bin/env bash
# Builds the Dockerfile and runs a command in this project with Docker at hand, on a machine that has
# none: Debian's Docker Engine and its compose plugin, from debootstrap, in namespaces of its own. Nothing
# is installed, and no rule, route or bridge is made outside. Needs root and Debian's package debootstrap.
#   scripts/with-docker.sh FOLDER COMMAND...
#   scripts/with-docker.sh /tmp/docker bash test/docker/try.sh built
# FOLDER keeps the engine, its images and FOLDER/base (node-image-in-chroot.sh) for the next time.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
die() { printf '%s\n' "$*" >&2; exit 1; }
[ $# -ge 2 ] || die "usage: with-docker.sh FOLDER COMMAND..."
bash "$root/scripts/node-image-in-chroot.sh" "$1"
work=$(cd "$1" && pwd)
shift
engine=$work/engine
cgroup=postern-docker-$$
path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
outer='' inner=''

make_engine() {
  echo "ENGINE debootstrap trixie" >&2
  rm -rf "$engine.new"
  debootstrap --variant=minbase --include=docker.io,docker-cli,docker-buildx,docker-compose,iptables,ca-certificates \
    trixie "$engine.new" >"$work/engine.log" 2>&1 || die "debootstrap failed: $work/engine.log"
  mkdir "$engine.new/work" "$engine.new/old" "$engine.new/given"
  mv "$engine.new" "$engine"
}

# start_engine UNSHARE-FLAGS -- DOCKERD-FLAGS: sets `outer`, to be ended, and `inner`, to be entered.
start_engine() {
  local flags=()
  while [ "$1" != -- ]; do flags+=("$1") && shift; done
  shift
  # Not chroot: what `docker exec` joins begins at the root of the mount namespace.
  # shellcheck disable=SC2016  # the $ are the inner shell's
  setsid unshare --mount --pid --fork --kill-child "${flags[@]}" sh -euc '
    engine=$1 project=$2 given=$3
    shift 3
    mount --make-rprivate /
    mount --bind "$engine" "$engine"
    mount -t proc proc "$engine/proc"
    mount -t sysfs sysfs "$engine/sys"
    mount --rbind /sys/fs/cgroup "$engine/sys/fs/cgroup"
    mount --rbind /dev "$engine/dev"
    mount -t tmpfs tmpfs "$engine/run"
    mount -t tmpfs tmpfs "$engine/tmp"
    mount --bind "$project" "$engine/work"
    mount --bind "$given" "$engine/given"
    cp /etc/resolv.conf "$engine/etc/resolv.conf"
    ip link set lo up
    cd "$engine"
    pivot_root . old
    umount -l /old
    exec env -i HOME=/root PATH="$PATH" dockerd --log-level warn "$@"
  ' sh "$engine" "$root" "$work/base" --cgroup-parent "/$cgroup" --exec-opt native.cgroupdriver=cgroupfs "$@" \
    >"$work/dockerd.log" 2>&1 &
  outer=$!
  for ((tries = 0; tries < 100; tries += 1)); do
    inner=$(pgrep -P "$outer") || true
    [ -z "$inner" ] || ! inside docker info >/dev/null 2>&1 || return 0
    kill -0 "$outer" 2>/dev/null || break
    sleep 0.2
  done
  die "the engine does not start: $work/dockerd.log"
}

# Ends the engine and, with its namespaces, everything that runs there.
stop_engine() {
  [ -n "$outer" ] || return 0
  kill "$inner" 2>/dev/null || true
  wait "$outer" 2>/dev/null || true
  outer='' inner=''
}

inside() {
  nsenter --target "$inner" --mount --net --pid --root \
    env --chdir=/work -i HOME=/root TERM=dumb PATH="$path" "$@"
}

finish() {
  local code=$?
  stop_engine
  # What the engine made of groups is empty now.
  find /sys/fs/cgroup -depth -type d -path "*/$cgroup*" -exec rmdir {} + 2>/dev/null || true
  exit "$code"
}
trap finish EXIT

# As images have it: no CMD of theirs is used.
image() {
  inside docker image inspect "$1" >/dev/null 2>&1 ||
    inside sh -c "tar -C /given -c . | docker import --change 'ENV PATH=$path' - $1" >/dev/null
}

[ -d "$engine" ] || make_engine
# Building takes the network of this machine; running takes none of it.
start_engine -- --bridge=none --iptables=false --ip6tables=false --ip-forward=false
image node:20-bookworm
image node:20-bookworm-slim
inside docker build --quiet --network host --tag postern . >/dev/null
stop_engine
start_engine --net --
inside "$@"
