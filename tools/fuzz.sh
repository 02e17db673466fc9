#!/usr/bin/env bash
# Fuzzes the targets that are named, or all of them (fuzz/targets), one after the other, and says how often
# each was executed. Fails at the first one that finds something, and says how to see that again.
# usage: tools/fuzz.sh [TARGET...]
#
#   EDGEWARD_FUZZ_SECONDS  how long each runs, 60 unless given
#   EDGEWARD_FUZZ_RUNS     how often each is executed instead, each time with the same inputs
#   EDGEWARD_FUZZ_JOBS     how many processes work on one target, 1 unless given
#
# It starts from fuzz/corpus and from what earlier runs have left in target/fuzz-found, and leaves there
# what leads to somewhere new. A number of runs starts from fuzz/corpus alone.
source "$(dirname "$0")/common.sh"

seconds=${EDGEWARD_FUZZ_SECONDS:-60}
runs=${EDGEWARD_FUZZ_RUNS:-}
jobs=${EDGEWARD_FUZZ_JOBS:-1}
targets=("$@")
[ ${#targets[@]} -gt 0 ] || for file in fuzz/targets/*.rs; do targets+=("$(basename "$file" .rs)"); done

# The words of what a target reads, for libFuzzer to put together.
dictionary() {
    case "$1" in
    admin) echo admin ;;
    claims | entry | introspection | json | order | verification) echo claims ;;
    configuration) echo configuration ;;
    decide | headers | subprotocol) echo requests ;;
    jwk_set | kv_list | secret) echo keys ;;
    path | rules) echo paths ;;
    esac
}

# The flags that it needs, the compiler takes from a nightly, or when it is told so.
export RUSTC_BOOTSTRAP=1
cargo fuzz build --target-dir target/fuzz

executions() { awk '/^stat::number_of_executed_units/ { sum += $2 } END { print sum + 0 }' "$@"; }

for target in "${targets[@]}"; do
    found=target/fuzz-found/$target
    options=(-timeout=10 -malloc_limit_mb=64 -print_final_stats=1 -verbosity=0)
    if [ -n "$runs" ]; then
        found=target/fuzz-found/same/$target
        rm -rf "$found"
        options+=(-runs="$runs" -seed=1)
    else
        options+=(-max_total_time="$seconds")
    fi
    log=$found.log
    mkdir -p "$found"
    words=$(dictionary "$target")
    [ -z "$words" ] || options+=(-dict="fuzz/dictionaries/$words.dict")
    [ "$jobs" -eq 1 ] || options+=(-fork="$jobs" -ignore_crashes=0)
    began=$SECONDS
    if ! cargo fuzz run --target-dir target/fuzz "$target" "$found" "fuzz/corpus/$target" -- "${options[@]}" >"$log" 2>&1; then
        tail -n 60 "$log" >&2
        fail "the target $target has found something" \
            "again: RUSTC_BOOTSTRAP=1 cargo fuzz run --target-dir target/fuzz $target fuzz/artifacts/$target/NAME" \
            "once mended, put a small form of the input into fuzz/corpus/$target"
    fi
    printf '%-16s %12d executions in %d seconds\n' "$target" "$(executions "$log")" "$((SECONDS - began))"
done
