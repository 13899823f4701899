#!/usr/bin/env bash
# Builds everything once, runs every test, prints minutes by part and one closing line. Called by `make test`.
# Every cargo call selects the whole workspace, so that each library is built once, with one set of features.
set -uo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=() minutes=()

# part NAME COMMAND…: runs it, keeps its output for the count, remembers how long it took.
part() {
    local name=$1 start=$SECONDS status
    shift
    echo "== $name"
    "$@" 2>&1 </dev/null | tee -a "$log"
    status=${PIPESTATUS[0]}
    minutes+=("$(printf '  %-18s %6s' "$name" "$(tenths_of_minutes $((SECONDS - start)))")")
    [ "$status" -eq 0 ] || failed+=("$name")
    return "$status"
}

tenths_of_minutes() { echo "$(($1 / 60)).$(($1 % 60 * 10 / 60))"; }

close() {
    echo
    echo "== minutes by part"
    printf '%s\n' "${minutes[@]}"
    printf '  %-18s %6s\n\n' total "$(tenths_of_minutes "$SECONDS")"
    [ ${#failed[@]} -eq 0 ] || printf 'FAILED: %s\n' "${failed[@]}"
    count
    [ ${#failed[@]} -eq 0 ]
}

# The sum over the closing lines of all test programs.
count() {
    awk '/^test result: / { passed += $4; failed += $6; ignored += $8 }
         /^set-up: [0-9]+ passed/ { passed += $2; failed += $4 }
         END { printf "tests: %d passed, %d failed, %d skipped\n", passed, failed, ignored }' "$log"
}

part "set-up" bash setup/setup.sh || { close; exit 1; }
part "tests of set-up" bash setup/test.sh
part "build" cargo build --release --workspace --lib --bins --examples --tests || { close; exit 1; }
part "unit tests" cargo test --release --workspace --lib --bins --no-fail-fast
part "end-to-end tests" cargo test --release --workspace --test '*' --no-fail-fast
part "documentation" cargo test --release --workspace --doc --no-fail-fast
close
