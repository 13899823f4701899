#!/usr/bin/env bash
# Tests of set-up: what it says on a machine that lacks something, and that fetching survives failures.
# Needs no network: pip takes small wheels made here. `make test` runs it.
set -uo pipefail

setup=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

# --- a machine of its own for every test: tools are links in $tools, everything else is under $work/N

machine() {
    number=$((${number:-0} + 1))
    home=$work/$number tools=$work/$number/tools
    mkdir -p "$tools"
    local tool
    for tool in bash cat awk sed grep head cut df du dirname mkdir mktemp mv rm sleep uname getconf flock cp \
        ln kill sh env python3 perl make cc c++ gcc g++ cpp as ld ld.bfd collect2 rustc cargo; do
        [ -z "$(command -v "$tool")" ] || ln -s "$(real "$tool")" "$tools/$tool"
    done
}

# A shim that chooses a version by its own name must be called by its real path.
real() {
    if [ "$1" = python3 ]; then python3 -c 'import sys; print(sys.executable)'; else command -v "$1"; fi
}

without() { rm -f "$tools/$1"; }

# instead TOOL SCRIPT: puts a script in the tool's place.
instead() {
    rm -f "$tools/$1"
    printf '#!%s\n%s\n' "$BASH" "$2" >"$tools/$1"
    chmod +x "$tools/$1"
}

# set_up ARGUMENTS: runs it on that machine; sets $said and $status. Settings are given as `env` words in $with.
with=()
set_up() {
    said=$(env -u LIBTORCH -u CC -u CXX PATH="$tools" MURMUR_CACHE="$home/cache" MURMUR_CARGO_CONFIG="$home/config.toml" \
        MURMUR_WHEELS_LIST="$work/wheels.txt" PIP_NO_INDEX=1 PIP_FIND_LINKS="$work/index" \
        ${with[@]+"${with[@]}"} "$BASH" "$setup/setup.sh" "$@" 2>&1 </dev/null)
    status=$?
}

# libtorch_in FOLDER VERSION: looks like a libtorch to set-up.
libtorch_in() {
    mkdir -p "$1/lib"
    touch "$1/lib/libtorch_cpu.so"
    echo "$2" >"$1/build-version"
}

# --- what is expected

expect() {
    local name=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED: %s\n  status %s, it said:\n%s\n' "$name" "$status" "$said"
    fi
}

succeeds() { [ "$status" -eq 0 ]; }

# says TEXT…: set-up failed, and one line holds all the texts.
says() {
    [ "$status" -eq 1 ] || return 1
    local lines=$said text
    for text in "$@"; do
        lines=$(grep -F -- "$text" <<<"$lines") || return 1
    done
}

# --- the machine

test_complete_machine() {
    machine
    set_up --check
    expect "a machine that has everything passes" succeeds
    expect "and nothing is fetched by --check" [ ! -e "$home/cache" ]
}

test_missing_tools() {
    local tool hint
    while read -r tool hint; do
        machine
        without "$tool"
        set_up --check
        expect "without $tool" says "$hint"
    done <<'END'
cargo https://rustup.rs
rustc https://rustup.rs
cc apt-get install build-essential
c++ apt-get install build-essential
make apt-get install make
perl apt-get install perl
python3 apt-get install python3-pip
flock apt-get install util-linux
END
}

test_several_missing_tools_are_named_at_once() {
    machine
    without perl
    without make
    set_up --check
    expect "perl and make: perl" says "perl with its core modules is missing"
    expect "perl and make: make" says "make is missing"
}

test_broken_tools() {
    machine
    instead rustc 'echo "rustc 1.74.1 (a28077b28 2023-12-04)"'
    set_up --check
    expect "an old Rust" says "Rust 1.74.1 is too old" "rustup update stable"
    machine
    instead c++ 'exit 1'
    set_up --check
    expect "a C++ compiler that cannot compile" says "no working C++ compiler"
    machine
    instead python3 'exit 1'
    set_up --check
    expect "a Python without pip" says "pip is missing"
    machine
    instead perl 'exit 2'
    set_up --check
    expect "a perl without its modules" says "perl with its core modules"
}

test_pip_is_not_needed_where_libtorch_is() {
    machine
    without python3
    libtorch_in "$home/cache/libtorch-2.13.0" 2.13.0
    set_up
    expect "libtorch in the cache, no Python" succeeds
}

test_full_disk() {
    machine
    with=(MURMUR_TARGET_GIB=900000)
    set_up --check
    expect "no room for target/" says "GiB free" "CARGO_TARGET_DIR"
    with=(MURMUR_TARGET_GIB=0 MURMUR_CACHE_GIB=900000)
    set_up --check
    expect "no room for the cache" says "GiB free" "MURMUR_CACHE"
    with=()
}

test_other_platforms() {
    machine
    instead uname 'case $1 in -s) echo Darwin ;; *) echo arm64 ;; esac'
    set_up --check
    expect "macOS: says how to get libtorch" says "export LIBTORCH="
    libtorch_in "$home/own" 2.13.0
    with=(LIBTORCH="$home/own")
    set_up --check
    expect "macOS with LIBTORCH" succeeds
    with=()
    machine
    instead getconf 'exit 1'
    set_up --check
    expect "another C library" says "glibc 2.28"
}

# --- a libtorch of one's own

test_own_libtorch() {
    machine
    libtorch_in "$home/own" 2.13.0+cpu
    with=(LIBTORCH="$home/own")
    set_up
    expect "LIBTORCH is taken" grep -qxF "LIBTORCH = \"$home/own\"" "$home/config.toml"
    with=()
    set_up
    expect "and remembered" succeeds
    expect "without fetching" [ ! -e "$home/cache" ]
}

test_wrong_libtorch() {
    machine
    libtorch_in "$home/own" 2.9.1
    mkdir "$home/empty"
    with=(LIBTORCH="$home/own")
    set_up
    expect "a wrong version" says "is libtorch 2.9.1, but 2.13.0 is needed"
    expect "writes nothing" [ ! -e "$home/config.toml" ]
    rm "$home/own/build-version"
    set_up
    expect "no version" says "does not say its version" "build-version"
    echo "__version__ = '2.13.0+cpu'" >"$home/own/version.py"
    set_up
    expect "the torch folder of a Python" succeeds
    with=(LIBTORCH="$home/empty")
    set_up
    expect "no libtorch at all" says "holds no libtorch"
    with=()
}

# --- fetching

# wheel NAME MEMBERS…: a wheel that holds these members, and its line in wheels.txt.
wheel() {
    local file=$work/index/$1
    shift
    mkdir -p "$work/index"
    python3 - "$file" "$@" <<'END' >>"$work/wheels.txt"
import hashlib, pathlib, sys, zipfile
file = pathlib.Path(sys.argv[1])
name, version, *tags = file.stem.split("-")
info = f"{name}-{version}.dist-info/"
with zipfile.ZipFile(file, "w") as wheel:
    for member in sys.argv[2:]:
        wheel.writestr(member, member)
    wheel.writestr(info + "METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    wheel.writestr(info + "WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {'-'.join(tags)}\n")
    wheel.writestr(info + "RECORD", "")
digest = hashlib.sha256(file.read_bytes()).hexdigest()
print(f"{name.replace('_', '-')}=={version} --hash=sha256:{digest}")
END
}

make_wheels() {
    wheel torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl torch/include/ATen/ATen.h torch/lib/libtorch_cpu.so \
        torch/lib/libc10.so torch/lib/libgomp.so.1 torch/lib/libtorch_cuda.so
    wheel nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl nvidia/cu13/lib/libcudart.so.13
    wheel nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl nvidia/cu13/lib/libcupti.so.13
}

tree_is_whole() {
    local file
    for file in include/ATen/ATen.h lib/libtorch_cpu.so lib/libtorch.so lib/libc10.so lib/libgomp.so lib/libgomp.so.1 \
        lib/libcudart.so.13 lib/libcupti.so.13; do
        [ -s "$home/cache/libtorch-2.13.0/$file" ] || return 1
    done
    [ "$(cat "$home/cache/libtorch-2.13.0/build-version")" = 2.13.0 ]
}

test_fetching() {
    machine
    set_up
    expect "fetching ends well" succeeds
    expect "the tree is whole" tree_is_whole
    expect "only what is needed is taken" [ ! -e "$home/cache/libtorch-2.13.0/lib/libtorch_cuda.so" ]
    expect "the wheels are gone" [ ! -e "$home/cache/wheels-2.13.0" ]
    expect "cargo knows" grep -qxF "LIBTORCH = \"$home/cache/libtorch-2.13.0\"" "$home/config.toml"
    touch -d '2001-01-01' "$home/config.toml"
    set_up
    expect "a second set-up says nothing" [ -z "$said" ]
    expect "and rewrites nothing" [ -n "$(find "$home/config.toml" ! -newermt '2001-01-02')" ]
}

test_fetching_goes_on_where_it_stopped() {
    machine
    mv "$work/index" "$work/hidden"
    mkdir "$work/index"
    cp "$work"/hidden/torch-*.whl "$work/index"
    set_up
    expect "the second wheel fails" says "nvidia-cuda-runtime==13.0.96 could not be fetched" "run the same command again"
    expect "no half tree" [ ! -e "$home/cache/libtorch-2.13.0" ]
    rm "$work"/index/*
    cp "$work"/hidden/nvidia*.whl "$work/index"
    with=(PIP_FIND_LINKS="$work/index $home/cache/wheels-2.13.0")
    set_up
    with=()
    rm -r "$work/index"
    mv "$work/hidden" "$work/index"
    expect "the first wheel was kept" succeeds
    expect "the tree is whole after resuming" tree_is_whole
}

test_a_changed_wheel_is_refused() {
    machine
    sed -e 's/sha256:0/sha256:1/;t' -e 's/sha256:./sha256:0/' "$work/wheels.txt" >"$home/changed.txt"
    with=(MURMUR_WHEELS_LIST="$home/changed.txt")
    set_up
    with=()
    expect "a wheel with another hash" says "torch==2.13.0 could not be fetched"
    expect "nothing of it is used" [ ! -e "$home/cache/libtorch-2.13.0" ]
}

test_a_killed_unpacking_leaves_no_tree() {
    machine
    mkdir -p "$home/cache/unpacking-2.13.0/lib"
    echo half >"$home/cache/unpacking-2.13.0/lib/stale.so"
    set_up
    expect "an earlier half is cleared away" tree_is_whole
    expect "and not mixed in" [ ! -e "$home/cache/libtorch-2.13.0/lib/stale.so" ]
}

# The first one's pip waits until the second one has said that it waits; only one of them fetches.
test_two_at_once() {
    machine
    instead python3 "echo \$* >>'$home/calls'
        case \$* in *'pip download'*) while [ ! -e '$home/go' ]; do sleep 0.1; done ;; esac
        exec $(real python3) \"\$@\""
    (set_up; echo "$status" >"$home/first") &
    while ! grep -q download "$home/calls" 2>/dev/null; do sleep 0.1; done
    (set_up; echo "$status" >"$home/second"; echo "$said" >"$home/second.said") &
    sleep 1
    touch "$home/go"
    wait
    status=$(cat "$home/first"),$(cat "$home/second") said=$(cat "$home/second.said")
    expect "both end well" [ "$status" = 0,0 ]
    expect "the second one says what it waits for" grep -q "Another set-up is fetching" "$home/second.said"
    expect "each wheel is fetched once" [ "$(grep -c 'pip download' "$home/calls")" -eq 3 ]
    expect "the tree is whole after two" tree_is_whole
}

# --- cargo's configuration

test_foreign_configuration_is_left_alone() {
    machine
    libtorch_in "$home/cache/libtorch-2.13.0" 2.13.0
    printf '[build]\njobs = 1\n' >"$home/config.toml"
    set_up
    expect "a file of the user's" says "is your own file"
    expect "says what to add" grep -qF "LIBTORCH = \"$home/cache/libtorch-2.13.0\"" <<<"$said"
    expect "keeps it" [ "$(cat "$home/config.toml")" = $'[build]\njobs = 1' ]
}

test_odd_folder_names() {
    machine
    libtorch_in "$home/a \"b\" \\c" 2.13.0
    with=(LIBTORCH="$home/a \"b\" \\c")
    set_up
    expect "quotes are escaped" grep -qF 'a \"b\" \\c' "$home/config.toml"
    with=()
    set_up
    expect "and read back" [ "$status,$said" = 0, ]
}

make_wheels
for test in $(declare -F | awk '$3 ~ /^test_/ {print $3}'); do "$test"; done
echo "set-up: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
