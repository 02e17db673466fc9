#!/usr/bin/env bash
# Measures the built Worker next to Workers without authentication and to gates in JavaScript
# (benches/worker.rs): prints a table, writes every figure to target/bench/results.json. Before that
# it runs the benchmarks of the core and of WebSockets (benches/sockets.rs, which writes to
# target/bench/sockets.json). The first run makes tokens, which takes some minutes; all of it takes
# about three quarters of an hour. The machine should have nothing else to do.
#
# Variables make it shorter:
#   EDGEWARD_BENCH_ALGS    algorithms, separated by commas
#   EDGEWARD_BENCH_STARTS  how often all processes are started anew, 6 unless given
#   EDGEWARD_BENCH_ROUNDS  turns of each row after each start, 3 unless given
#   EDGEWARD_BENCH_ROWS    rows by their names in the tables, and "cold start", separated by commas;
#                          the benchmarks of the core and of WebSockets are then left out
#   EDGEWARD_SOCKETS_…     see benches/sockets.rs
#   EDGEWARD_BUILD         another build than build/
#   EDGEWARD_BENCH_BEFORE  the build/ of an earlier commit, for instance from a worktree: rows "before …"
#                          and what they compare to (": before"), to see what a change has cost
# For instance, in a quarter of a minute:
#   EDGEWARD_BENCH_ALGS=ES256 EDGEWARD_BENCH_STARTS=1 \
#     EDGEWARD_BENCH_ROWS="forward,edits,edgeward seen,jose seen" make bench
source "$(dirname "$0")/common.sh"

tools/install.sh bench
make -s build
tools/build-peers.sh
[ -n "${EDGEWARD_BENCH_ROWS:-}" ] || cargo bench --bench core --bench cache
[ -n "${EDGEWARD_BENCH_ROWS:-}" ] || cargo bench --quiet --bench sockets
cargo bench --quiet --bench worker
