#!/usr/bin/env bash
# Makes FOLDER/base, unless it is there: what stands in for the images node:20-bookworm and its slim
# sister where they cannot be fetched. Debian's minbase, with this machine's Node where they have theirs.
#   scripts/node-image-in-chroot.sh FOLDER
set -euo pipefail

# What those images bring: a newer npm treats build scripts in another way.
npm_of_node_20=10.8.2

die() { printf '%s\n' "$*" >&2; exit 1; }
[ "$EUID" = 0 ] || die "Run this as root."
[ $# = 1 ] || die "usage: node-image-in-chroot.sh FOLDER"
command -v debootstrap >/dev/null || die "debootstrap is missing: apt-get install debootstrap"
mkdir -p "$1"
work=$(cd "$1" && pwd)
[ ! -d "$work/base" ] || exit 0
node=$(readlink -f "$(command -v node)")
[[ $("$node" --version) == v20.* ]] || die "The images have Node 20; this is $("$node" --version)."

base=$work/base.new
modules=$base/usr/local/lib/node_modules
echo "BASE debootstrap bookworm" >&2
rm -rf "$base"
debootstrap --variant=minbase --include=ca-certificates bookworm "$base" >"$work/base.log" 2>&1 ||
  die "debootstrap failed: $work/base.log"
install -m 755 "$node" "$base/usr/local/bin/node"
cp -a "$(dirname "$node")/../include/node" "$base/usr/local/include/node"
mkdir -p "$modules"
(cd "$work" && npm pack --silent "npm@$npm_of_node_20" >/dev/null)
tar -xzf "$work/npm-$npm_of_node_20.tgz" -C "$modules"
mv "$modules/package" "$modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$base/usr/local/bin/npm"
# As in Debian's images, packages start no service.
printf '#!/bin/sh\nexit 101\n' >"$base/usr/sbin/policy-rc.d"
chmod 755 "$base/usr/sbin/policy-rc.d"
# How this machine reaches the network.
cp /etc/resolv.conf "$base/etc/resolv.conf"
cp /etc/ssl/certs/ca-certificates.crt "$base/etc/ssl/certs/ca-certificates.crt"
echo 'cafile=/etc/ssl/certs/ca-certificates.crt' >"$base/root/.npmrc"
mv "$base" "$work/base"
