#!/usr/bin/env bash
# Makes this checkout ready to build: checks the machine, puts libtorch in place, tells cargo where it is.
#   setup/setup.sh           all of it; does nothing when all is in place
#   setup/setup.sh --check   checks the machine only
# LIBTORCH        a libtorch 2.13.0 of your own; nothing is fetched then
# MURMUR_CACHE    where libtorch is kept (default: ~/.cache/murmuration, shared by all checkouts)
# For its own tests: MURMUR_CARGO_CONFIG, MURMUR_WHEELS_LIST, MURMUR_TARGET_GIB, MURMUR_CACHE_GIB.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
config=${MURMUR_CARGO_CONFIG:-$root/.cargo/config.toml}
cache=${MURMUR_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/murmuration}

. "$root/setup/machine.sh"
. "$root/setup/libtorch.sh"
. "$root/setup/cargo_config.sh"

choose_libtorch
check_machine
[ "${1:-}" = --check ] && exit 0
if [ "$libtorch_source" = fetch ]; then fetch_libtorch; fi
write_cargo_config "$libtorch"
