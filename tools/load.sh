#!/usr/bin/env bash
# Puts the built Worker under the load of thousands of clients for minutes (benches/load.rs), and
# prints tables and what had to hold. Fails if a valid request was refused, a bad token accepted, or
# an answer was a 5xx. The JSON is target/bench/load.json.
#
#   EDGEWARD_LOAD_CLIENTS  keep-alive connections, 5000 unless given
#   EDGEWARD_LOAD_SECONDS  300 unless given
#   EDGEWARD_LOAD_RATE     requests a second of all clients together; unless given, 40 % of what 64
#                          clients get that ask without a pause
#   EDGEWARD_LOAD_YOUNG    MiB that V8 gives to new objects, 1 unless given; 0 for as many as it likes,
#                          see docs/performance.md, "Under load"
#   EDGEWARD_LOAD_WORKER   a Worker without authentication instead of edgeward, forward or edits (see
#                          benches/peers): how much of what is measured is workerd's own
#   EDGEWARD_BUILD         another build than build/
source "$(dirname "$0")/common.sh"

tools/install.sh bench
make -s build
tools/build-peers.sh

# workerd takes two for each client and two for each request that the origin has not answered yet,
# and ends when it gets none. A machine that does other work at the same time can need all of
# 4 * clients and more.
files=$((3 * ${EDGEWARD_LOAD_CLIENTS:-5000} + 1000))
limit=$(ulimit -Hn)
[ "$limit" = unlimited ] || [ "$limit" -ge "$files" ] ||
    fail "this load needs $files open files in one process, and no more than $limit are allowed:" \
        "raise the hard limit (ulimit -Hn), or take fewer clients (EDGEWARD_LOAD_CLIENTS)"
ulimit -Sn "$limit"

cargo bench --quiet --bench load
