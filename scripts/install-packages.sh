#!/usr/bin/env bash
# Installs Debian packages, as root, so that none of them leaves a service of its own running.
# A service that was there before is not touched.
#   scripts/install-packages.sh PACKAGE...
set -euo pipefail

[ "$EUID" = 0 ] || { echo "Run this as root." >&2; exit 1; }
[ "$#" -gt 0 ] || { echo "usage: install-packages.sh PACKAGE..." >&2; exit 1; }
policy=/usr/sbin/policy-rc.d
log=$(mktemp)
wrote_policy=no

cleanup() {
  [ "$wrote_policy" = no ] || rm -f "$policy"
  rm -f "$log"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

installed() { [ "$(dpkg-query -Wf '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

in_use() {
  [ -d /run/systemd/system ] &&
    { systemctl -q is-active "$1.service" || systemctl -q is-enabled "$1.service"; } 2>/dev/null
}

# Those of these packages that bring a service which was not here before.
services=()
for package in "$@"; do
  case $package in
    redis-server | knockd | nftables)
      installed "$package" || in_use "$package" || services+=("$package")
      ;;
  esac
done

# invoke-rc.d asks this file before it starts anything: new services are not started at all.
# One that is there already is the administrator's and stays.
forbid_start() {
  local service
  [ "${#services[@]}" -gt 0 ] && [ ! -e "$policy" ] && [ ! -L "$policy" ] || return 0
  wrote_policy=yes
  # shellcheck disable=SC2016  # the $1 is for the script that is written
  {
    echo '#!/bin/sh'
    echo '# Temporary: written by an installation of packages that must not start services.'
    echo 'case "$1" in'
    for service in "${services[@]}"; do
      echo "  $service | $service.service) exit 101 ;;"
    done
    echo 'esac'
    echo 'exit 0'
  } >"$policy"
  chmod 755 "$policy"
}

install() {
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
    -o DPkg::Lock::Timeout=120 "$@" >"$log" 2>&1
}

update() {
  echo "Fetching the lists of packages" >&2
  apt-get update -q -o DPkg::Lock::Timeout=120 >"$log" 2>&1 || true
}

# Nor will a new service start at the next boot.
disable() {
  local service
  for service in "${services[@]}"; do
    if [ -d /run/systemd/system ]; then
      systemctl disable --now "$service.service" >/dev/null 2>&1 || true
    else
      if [ "$wrote_policy" = no ]; then
        invoke-rc.d "$service" stop >/dev/null 2>&1 || true
      fi
      update-rc.d "$service" disable >/dev/null 2>&1 || true
    fi
  done
}

forbid_start
lists=(/var/lib/apt/lists/*_Packages*)
[ -e "${lists[0]}" ] || update
if ! install "$@"; then
  # Lists that are out of date name files that are gone.
  update
  if ! install "$@"; then
    tail -n 8 "$log" >&2
    echo "apt-get could not install: $*" >&2
    exit 1
  fi
fi
disable
