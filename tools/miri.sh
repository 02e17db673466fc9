#!/usr/bin/env bash
# Runs the corpora of the fuzz targets (fuzz/corpus) in Miri, which sees what no compiler and no sanitizer does:
# memory that is used wrongly, by us or by what we use. Core and gate themselves forbid unsafe code.
# usage: tools/miri.sh [TARGET...]      all of them unless said otherwise: half an hour
source "$(dirname "$0")/common.sh"

targets=("${@:-}")

# It reads the files of the corpora.
export MIRIFLAGS=-Zmiri-disable-isolation
cargo +nightly miri test --locked --manifest-path fuzz/Cargo.toml --target-dir target/miri --test corpora -- \
    "${targets[@]/#/corpora::}"
