#!/usr/bin/env bash
# Measures the built Worker next to Workers without authentication and to gates in JavaScript
# (benches/worker.rs), and prints one table for each algorithm. The JSON is target/bench/results.json.
# The first run makes tokens, which takes some minutes.
#
# Less than everything, for instance in a quarter of a minute:
#   EDGEWARD_BENCH_ALGS=ES256 EDGEWARD_BENCH_ROUNDS=3 \
#     EDGEWARD_BENCH_ROWS="forward,edits,edgeward seen,jose seen" make bench
#   EDGEWARD_BENCH_ALGS    algorithms, separated by commas
#   EDGEWARD_BENCH_ROUNDS  turns of each row, 7 unless given
#   EDGEWARD_BENCH_ROWS    rows by their names in the table, separated by commas
#   EDGEWARD_BUILD         another build than build/
source "$(dirname "$0")/common.sh"

tools/install.sh bench
make -s build
esbuild benches/peers/*.js --bundle --format=esm --target=es2024 --log-level=warning \
    --conditions=workerd,worker,browser '--external:cloudflare:*' '--external:node:*' \
    --outdir=target/bench/peers
cargo bench --quiet --bench worker
