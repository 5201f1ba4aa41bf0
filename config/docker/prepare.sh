#!/bin/sh
# Run once before a bastion starts, as its user: makes the secrets that are not there yet, and puts
# the configurations where they belong to that user (postern takes no file that others can write).
# Again at every `docker compose up`, so that an edited configuration gets there.
set -eu
umask 077
settings=/etc/postern
state=/var/lib/postern

if [ ! -e $settings/cluster.key ]; then
  postern cluster init $settings/cluster.key >/dev/null
  postern cluster key $settings/cluster.key
fi
if [ ! -e $settings/redis.password ]; then
  password=$(head -c 24 /dev/urandom | base64)
  printf 'requirepass %s\n' "$password" >$settings/redis.password.conf
  printf '%s\n' "$password" >$settings/redis.password.new
  mv $settings/redis.password.new $settings/redis.password
fi
install -m 600 /source/redis.conf $settings/redis.conf
install -m 600 /source/knockd.conf $settings/knockd.conf
# Used sequences are marked in it: each bastion has its own, and keeps it.
if [ ! -e $state/sequences/admin ]; then
  install -d -m 700 $state/sequences
  install -m 600 /source/sequences $state/sequences/admin
fi
# Here it has neither the interface nor the rights to look at the firewall: only errors count.
found=$(postern check $settings/knockd.conf) || { printf '%s\n' "$found"; exit 1; }
