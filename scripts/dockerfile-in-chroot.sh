#!/usr/bin/env bash
# Runs the steps of the Dockerfile, one after the other and as they stand there, where there is no
# container engine: each stage is a folder, RUN a chroot in namespaces of its own. Needs root and
# Debian's package debootstrap.
#   scripts/dockerfile-in-chroot.sh FOLDER
# FOLDER/STAGE becomes the root of each stage, the last one is FOLDER/image; FOLDER/image.env and .cmd
# are its ENV and CMD. FOLDER/base stands in for node:20-bookworm and its slim sister, and is kept.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
[ "$EUID" = 0 ] || die "Run this as root."
[ $# = 1 ] || die "usage: dockerfile-in-chroot.sh FOLDER"
bash "$root/scripts/node-image-in-chroot.sh" "$1"
work=$(cd "$1" && pwd)

# What .dockerignore leaves: its lines are *, !NAME, and below those names what is not taken.
make_context() {
  local line
  rm -rf "$work/context"
  mkdir "$work/context"
  while IFS= read -r line; do
    case $line in
      '' | '#'* | '*') ;;
      '!'*) cp -a "$root/${line#!}" "$work/context/" ;;
      *) rm -rf "${work:?}/context/${line:?}" ;;
    esac
  done <"$root/.dockerignore"
}

# Prints the Dockerfile with one instruction a line: without comments, continued lines joined.
instructions() {
  sed -e '/^[[:space:]]*#/d' "$root/Dockerfile" |
    sed -e ':again' -e '/\\$/{N; s/\\\n[[:space:]]*/ /; b again' -e '}' | sed -e '/^[[:space:]]*$/d'
}

# Runs a line in the stage, as Docker does: /bin/sh -c, only the environment of the stage.
run_step() {
  # shellcheck disable=SC2016  # the $ are the inner shell's
  unshare --mount --pid --fork --kill-child sh -euc '
    stage=$1 user=$2 folder=$3 line=$4
    shift 4
    mount --bind "$stage" "$stage"
    mount -t proc proc "$stage/proc"
    mount -t sysfs sysfs "$stage/sys"
    mount --rbind /dev "$stage/dev"
    mount -t tmpfs tmpfs "$stage/tmp"
    exec chroot --userspec "$user" "$stage" env -i HOME=/root "$@" sh -c "cd $folder && $line"
  ' sh "$stage" "$user" "$folder" "$1" "${environment[@]}"
}

# COPY [--from=STAGE] SOURCE... TARGET
copy_step() {
  local from=$work/context words=("$@") target source
  if [[ ${words[0]} == --from=* ]]; then
    from=$work/${words[0]#--from=}
    words=("${words[@]:1}")
  fi
  target=${words[-1]}
  [[ $target == /* ]] || target=$folder/$target
  for source in "${words[@]::${#words[@]}-1}"; do
    if [ -d "$from/$source" ]; then
      # A folder stands for what is in it.
      mkdir -p "$stage$target"
      cp -a --no-preserve=ownership "$from/$source/." "$stage$target/"
    elif [[ $target == */ ]]; then
      mkdir -p "$stage$target"
      cp -a --no-preserve=ownership "$from/$source" "$stage$target"
    else
      cp -a --no-preserve=ownership "$from/$source" "$stage$target"
    fi
  done
}

from_step() {
  local image=$1 name=${3:-image}
  [[ $image == node:20-bookworm* ]] || die "There is no stand-in for $image."
  stage=$work/$name folder=/ user=0:0
  environment=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
  rm -rf "$stage"
  cp -a --reflink=auto "$work/base" "$stage"
}

step() {
  local word=$1 rest=$2 words
  read -ra words <<<"$rest"
  case $word in
    FROM) from_step "${words[@]}" ;;
    RUN) run_step "$rest" >"$work/step.log" 2>&1 || { cat "$work/step.log" >&2; die "failed: $rest"; } ;;
    COPY) copy_step "${words[@]}" ;;
    ENV) environment+=("${words[@]}") ;;
    WORKDIR) folder=$rest && mkdir -p "$stage$folder" ;;
    USER) user=$(chroot "$stage" sh -c "id -u $rest; id -g $rest" | paste -sd:) ;;
    CMD) printf '%s\n' "$rest" >"$stage.cmd" ;;
    VOLUME | STOPSIGNAL | HEALTHCHECK) ;;
    *) die "$word: this script does not know it." ;;
  esac
}

make_context
while read -r word rest; do
  say "$word $rest"
  step "$word" "$rest" </dev/null
done < <(instructions)
printf '%s\n' "${environment[@]}" >"$stage.env"
say "The image: $stage, as $user, with the command in $stage.cmd"
