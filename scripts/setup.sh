#!/usr/bin/env bash
# Sets up whatever is missing: system packages, node_modules, the build. Quick when nothing is.
#   scripts/setup.sh run|demo|test
set -euo pipefail

mode=${1:-run}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
# A user's PATH on Debian lacks the folders where nft, iptables and knockd live.
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
stamp=node_modules/.set-up-for
built=dist/.built

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

check_platform() {
  [ "$(uname -s)" = Linux ] || die "postern runs on Linux only."
  has node || die "Node.js is missing: install it, version 20.20 or newer (https://nodejs.org)."
  # One start of node answers both: is it new enough, and which binary interface does it have?
  local answer
  # shellcheck disable=SC2016  # the $ are JavaScript's
  answer=$(node -p '
    const need = require("./package.json").engines.node.replace(/[^0-9.]/g, "");
    const [a, b] = [process.versions.node, need].map((v) => v.split(".").map(Number));
    const enough = a[0] > b[0] || (a[0] === b[0] && a[1] >= (b[1] || 0));
    `${enough ? "ok" : need} ${process.versions.modules}`')
  node_abi=${answer#* }
  [ "${answer% *}" = ok ] ||
    die "postern needs Node.js ${answer% *} or newer; this is $(node --version)."
}

any_exists() {
  local file
  for file; do [ ! -e "$file" ] || return 0; done
  return 1
}

# Headers and library of libpcap, where the compiler looks for them.
has_pcap() {
  any_exists /usr/include/pcap.h /usr/local/include/pcap.h &&
    any_exists /usr/lib/*/libpcap.so /usr/lib*/libpcap.so /usr/local/lib*/libpcap.so
}

# Prints the Debian packages that are missing for the mode.
missing_packages() {
  has_pcap || echo libpcap-dev
  has redis-server || echo redis-server
  { has g++ || has c++; } || echo g++
  has make || echo make
  has python3 || echo python3
  has setpriv || echo util-linux
  has ip || echo iproute2
  case $mode in
    demo) has nft || echo nftables ;;
    test)
      has nft || echo nftables
      { has knockd && has knock; } || echo knockd
      has sysctl || echo procps
      has conntrack || echo conntrack
      has systemd-notify || echo systemd
      local tool
      for tool in nmap hping3 tcpreplay tcpdump tshark iptables faketime openssl; do has "$tool" || echo "$tool"; done
      ;;
  esac
}

install_packages() {
  local installer=$root/scripts/install-packages.sh packages=("$@")
  has apt-get || die "Missing: ${packages[*]} (Debian's names). Install them, then run this again."
  local doing="Installing ${packages[*]}"
  if [ "$EUID" = 0 ]; then
    say "$doing"
    bash "$installer" "${packages[@]}"
  elif has sudo && sudo -n true 2>/dev/null; then
    say "$doing"
    sudo -n bash "$installer" "${packages[@]}"
  elif has sudo && [ -t 0 ] && [ -t 2 ]; then
    say "$doing"
    sudo bash "$installer" "${packages[@]}"
  else
    die "Missing: ${packages[*]}. That takes root. Run this one command, then this again:
  sudo bash $(printf '%q' "$installer") ${packages[*]}"
  fi
}

# Whether node_modules is what package-lock.json says, and was built for this Node.
modules_are_current() {
  local addon=node_modules/cap/build/Release/cap.node lock=node_modules/.package-lock.json
  [ -e "$addon" ] && [ -e "$lock" ] && [ ! package-lock.json -nt "$lock" ] || return 1
  # An install by hand has no stamp: it counts for the Node that is here.
  [ -e "$stamp" ] || echo "$node_abi" >"$stamp" 2>/dev/null || return 0
  [ "$(<"$stamp")" = "$node_abi" ]
}

# Runs a step with its output kept back, and shown only when it fails.
quietly() {
  local what=$1 log
  shift
  log=$(mktemp)
  say "$what"
  if ! "$@" >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    die "That failed: $*"
  fi
  rm -f "$log"
}

# Where the headers of this very Node lie, when they came with it (Node's own archive and packages
# bring them). Without them node-gyp fetches them from nodejs.org, which a firewall may not allow.
node_headers() {
  # shellcheck disable=SC2016  # the $ are JavaScript's
  node -p '
    const { resolve } = require("node:path");
    const prefix = resolve(require("node:fs").realpathSync(process.execPath), "../..");
    const text = require("node:fs").readFileSync(`${prefix}/include/node/node_version.h`, "utf8");
    const part = (name) => new RegExp(`#define NODE_${name}_VERSION (\\d+)`).exec(text)?.[1];
    const version = ["MAJOR", "MINOR", "PATCH"].map(part).join(".");
    version === process.versions.node ? prefix : ""' 2>/dev/null || true
}

# Whatever the user's npm says about scripts and NODE_ENV: `cap` must be compiled, and tsc be there.
install_modules() {
  local headers
  headers=$(node_headers)
  [ -z "$headers" ] || export npm_config_nodedir="${npm_config_nodedir:-$headers}"
  quietly "Installing the packages of package-lock.json" \
    npm ci --include=dev --ignore-scripts=false --no-audit --no-fund --loglevel=error
  [ -e node_modules/cap/build/Release/cap.node ] ||
    die "npm did not compile the package cap: run 'npm rebuild cap --foreground-scripts' to see why."
  echo "$node_abi" >"$stamp"
}

build_is_current() {
  [ -e "$built" ] || return 1
  # A folder's time tells of a file that came or went.
  local newer
  newer=$(find src machines sinks config test bench scripts tsconfig.json package-lock.json \
    \( -name '*.ts' -o -type d -o -name '*.json' \) -newer "$built" -print -quit 2>/dev/null || true)
  [ -z "$newer" ]
}

build() {
  local began file source
  began=$(mktemp)
  quietly "Building" npm run --silent build
  # What a deleted source left behind would still be run as a test.
  while IFS= read -r -d '' file; do
    source=${file#dist/}
    [ -e "${source%.js}.ts" ] || rm -f "$file"
  done < <(find dist -name '*.js' -print0)
  touch -r "$began" "$built"
  rm -f "$began"
}

# With sudo in a user's own clone: what root made there stays the user's.
give_back() {
  [ "$EUID" = 0 ] && [ "$(stat -c %u .)" != 0 ] || return 0
  chown -Rh --reference=. node_modules dist 2>/dev/null || true
}

case $mode in run | demo | test) ;; *) die "usage: scripts/setup.sh run|demo|test" ;; esac
check_platform
mapfile -t missing < <(missing_packages)
[ "${#missing[@]}" = 0 ] || install_packages "${missing[@]}"
changed=no
modules_are_current || { install_modules; changed=yes; }
build_is_current || { build; changed=yes; }
[ "$changed" = no ] || give_back
