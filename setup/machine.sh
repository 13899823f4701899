# What a machine must have, checked before anything long starts. Sourced by setup.sh.
# Every missing thing is one line that says how to get it; all of them are printed at once.

problems=()

problem() { problems+=("$1"); }

check_machine() {
    check_rust
    check_compilers
    check_perl
    have make || problem "make is missing: $(install make make "xcode-select --install")"
    if [ "$libtorch_source" = fetch ]; then check_fetching; fi
    check_disk
    [ ${#problems[@]} -eq 0 ] && return
    echo "This machine is not ready to build Murmuration:" >&2
    printf '  - %s\n' "${problems[@]}" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# install DEBIAN FEDORA MACOS: the three ways to get one thing.
install() { echo "apt-get install $1 (Debian, Ubuntu) · dnf install $2 (Fedora) · $3 (macOS)"; }

check_rust() {
    local wanted found
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")
    if ! have cargo || ! have rustc; then
        problem "Rust is missing: install $wanted or newer from https://rustup.rs"
        return
    fi
    found=$(rustc --version | awk '{print $2}')
    at_least "$found" "$wanted" || problem "Rust $found is too old, $wanted is needed: rustup update stable (https://rustup.rs)"
}

# at_least FOUND WANTED: compares major.minor.
at_least() {
    local found_major=${1%%.*} wanted_major=${2%%.*} found_minor wanted_minor
    found_minor=${1#*.} found_minor=${found_minor%%[!0-9]*}
    wanted_minor=${2#*.} wanted_minor=${wanted_minor%%[!0-9]*}
    [ "$found_major" -gt "$wanted_major" ] && return 0
    [ "$found_major" -eq "$wanted_major" ] && [ "${found_minor:-0}" -ge "${wanted_minor:-0}" ]
}

check_compilers() {
    compiles "${CC:-cc}" c 'int main(void) { return 0; }' ||
        problem "no working C compiler (${CC:-cc}): $(install build-essential "gcc gcc-c++" "xcode-select --install")"
    compiles "${CXX:-c++}" c++ $'#include <vector>\nint main() { return (int)std::vector<int>().size(); }' ||
        problem "no working C++ compiler (${CXX:-c++}): $(install build-essential "gcc gcc-c++" "xcode-select --install")"
}

# compiles COMPILER LANGUAGE PROGRAM. $1 unquoted: CC may hold a wrapper, as in "ccache cc".
compiles() {
    have "${1%% *}" && printf '%s\n' "$3" | $1 -x "$2" - -o /dev/null >/dev/null 2>&1
}

# SQLCipher brings its own OpenSSL, whose Configure needs these modules of perl.
check_perl() {
    perl -MFindBin -MIPC::Cmd -MFile::Compare -MFile::Copy -MTime::Piece -e 1 >/dev/null 2>&1 ||
        problem "perl with its core modules is missing: $(install perl "perl-core" "brew install perl")"
}

# Only where libtorch has to be fetched.
check_fetching() {
    python3 -m pip --version >/dev/null 2>&1 ||
        problem "Python's pip is missing (it fetches libtorch): $(install python3-pip python3-pip "brew install python")"
    have flock || problem "flock is missing: $(install util-linux util-linux "brew install flock")"
}

# A cold build fills about 6 GiB of target/, libtorch and its wheels about 2 GiB of the cache.
check_disk() {
    local target=${CARGO_TARGET_DIR:-$root/target} target_gib cache_gib=0
    target_gib=${MURMUR_TARGET_GIB:-6}
    if [ -d "$target/release/deps" ]; then target_gib=${MURMUR_TARGET_GIB:-1}; fi
    if [ "$libtorch_source" = fetch ]; then cache_gib=${MURMUR_CACHE_GIB:-2}; fi
    if [ "$(device_of "$target")" = "$(device_of "$cache")" ]; then
        check_free "$target" $((target_gib + cache_gib))
    else
        check_free "$target" "$target_gib"
        check_free "$cache" "$cache_gib"
    fi
}

device_of() { df -Pk "$(nearest_folder "$1")" | awk 'NR == 2 {print $1}'; }

# check_free FOLDER GIB
check_free() {
    local folder free_gib
    folder=$(nearest_folder "$1")
    free_gib=$(df -Pk "$folder" | awk 'NR == 2 {print int($4 / 1048576)}')
    [ "$free_gib" -ge "$2" ] ||
        problem "the disk of $folder has $free_gib GiB free, $2 GiB are needed: free some, or set CARGO_TARGET_DIR (build) or MURMUR_CACHE (libtorch) to a folder on another disk"
}

# The folder itself or, where it does not exist yet, the nearest one above it.
nearest_folder() {
    local folder=$1
    while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
    echo "$folder"
}
