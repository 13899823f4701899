# Which libtorch this checkout uses, and how it comes here. Sourced by setup.sh.
# Sets: libtorch (its folder) and libtorch_source (own, kept or fetch).

libtorch_version=2.13.0
wheels_list=${MURMUR_WHEELS_LIST:-$root/setup/libtorch.txt}

# In this order: LIBTORCH; the one that .cargo/config.toml names; the cache.
choose_libtorch() {
    local configured
    if [ -n "${LIBTORCH:-}" ]; then
        libtorch=$LIBTORCH libtorch_source=own
        check_own_libtorch LIBTORCH
        return
    fi
    configured=$(configured_libtorch)
    if [ -n "$configured" ] && [ "$(version_of "$configured")" = "$libtorch_version" ]; then
        libtorch=$configured libtorch_source=own
        return
    fi
    libtorch=$cache/libtorch-$libtorch_version
    if [ -e "$libtorch" ]; then
        libtorch_source=kept
        check_own_libtorch "the cache"
    else
        libtorch_source=fetch
        check_platform
    fi
}

# version_of FOLDER: 2.13.0 of "2.13.0+cpu"; nothing if this is no libtorch.
version_of() {
    [ -e "$1/lib/libtorch_cpu.so" ] || [ -e "$1/lib/libtorch_cpu.dylib" ] || return 0
    if [ -e "$1/build-version" ]; then
        head -n 1 "$1/build-version" | sed 's/[+[:space:]].*//'
    elif [ -e "$1/version.py" ]; then # the torch folder of a Python installation
        sed -n "s/^__version__ = '\([0-9.]*\).*/\1/p" "$1/version.py"
    else
        echo unknown
    fi
}

check_own_libtorch() {
    local found
    found=$(version_of "$libtorch")
    case $found in
        "$libtorch_version") ;;
        "") problem "$1 names $libtorch, which holds no libtorch (no lib/libtorch_cpu): remove it, or unset LIBTORCH to have $libtorch_version fetched" ;;
        unknown) problem "$libtorch does not say its version: if it is $libtorch_version, write that into $libtorch/build-version" ;;
        *) problem "$libtorch is libtorch $found, but $libtorch_version is needed: point LIBTORCH at that version, or unset LIBTORCH to have it fetched" ;;
    esac
}

# The pinned wheels are for Linux on x86-64 with glibc 2.28 or newer.
check_platform() {
    local platform glibc
    platform="$(uname -s) $(uname -m)"
    if [ "$platform" != "Linux x86_64" ]; then
        problem "libtorch is fetched for Linux on x86-64 only, and this is $platform: get it with pip and name it, like this:"
        problem "    python3 -m venv ~/.murmur-torch && ~/.murmur-torch/bin/pip install torch==$libtorch_version"
        problem "    export LIBTORCH=\$(~/.murmur-torch/bin/python -c 'import torch, os; print(os.path.dirname(torch.__file__))')"
        return
    fi
    glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null | awk '{print $2}') || true
    if [ -z "$glibc" ] || ! at_least "$glibc" 2.28; then
        problem "libtorch needs glibc 2.28 or newer (found ${glibc:-another C library}): use a newer system, or set LIBTORCH to a libtorch $libtorch_version built for this one"
    fi
}

# One set-up at a time fetches; another one waits and finds the work done. Wheels that arrived stay until the
# tree is whole, so a second try goes on where the first one stopped. The tree appears by one rename.
fetch_libtorch() {
    local wheels="$cache/wheels-$libtorch_version" unpacked="$cache/unpacking-$libtorch_version"
    mkdir -p "$cache"
    exec 9>"$cache/lock"
    if ! flock -n 9; then
        echo "Another set-up is fetching libtorch into $cache; waiting for it."
        flock 9
    fi
    if [ ! -e "$libtorch" ]; then
        fetch_wheels "$wheels"
        echo "Unpacking libtorch $libtorch_version."
        rm -rf "$unpacked"
        python3 "$root/setup/take_libtorch.py" "$wheels" "$unpacked" "$libtorch_version"
        mv "$unpacked" "$libtorch"
        rm -rf "$wheels"
        echo "libtorch $libtorch_version is in $libtorch"
    fi
    exec 9>&-
}

fetch_wheels() {
    local wheels=$1 requirement name number=0 total
    total=$(grep -c == "$wheels_list")
    mkdir -p "$wheels/unfinished"
    echo "Fetching libtorch $libtorch_version (530 MB) into $cache; this happens once."
    while read -r requirement; do
        case $requirement in '#'* | '') continue ;; esac
        name=${requirement%% *} number=$((number + 1))
        echo "  $number of $total: $name"
        fetch_wheel "$wheels" "$requirement" || {
            echo "$name could not be fetched (see above). Check the network and run the same command again: it goes on from here." >&2
            exit 1
        }
    done <"$wheels_list"
}

# TMPDIR: pip puts what it has not finished there, and /tmp may be small.
fetch_wheel() {
    local wheels=$1 status=0 reporter=
    echo "$2" >"$wheels/unfinished/requirement.txt"
    if [ ! -t 1 ]; then
        report_growth "$wheels" 9>&- &
        reporter=$!
    fi
    TMPDIR="$wheels/unfinished" python3 -m pip download \
        --disable-pip-version-check --no-input --no-cache-dir --retries 5 \
        --no-deps --only-binary=:all: --require-hashes --python-version 3.11 \
        --platform manylinux_2_28_x86_64 --platform manylinux_2_25_x86_64 \
        --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
        --dest "$wheels" --requirement "$wheels/unfinished/requirement.txt" </dev/null || status=$?
    if [ -n "$reporter" ]; then
        kill "$reporter" 2>/dev/null || true
        wait "$reporter" 2>/dev/null || true
    fi
    return "$status"
}

# Where no terminal shows pip's bar: a line every ten seconds, until the set-up ends.
report_growth() {
    while sleep 10 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
        echo "  $(du -sm "$1/unfinished" | cut -f1) MB so far"
    done
}
