#!/usr/bin/env bash
# Whether the time that the built Worker takes for a refusal tells what it must not (benches/timing.rs): which
# keys there are, how much of a MAC, of the admin token or of a client secret is right. Prints a table, and fails
# if two classes can be told apart. About a quarter of an hour; the machine should have nothing else to do.
#
#   EDGEWARD_TIMING_REQUESTS  of each class, 40000 unless given
#   EDGEWARD_TIMING_PAIRS     a part of the names of the pairs that are wanted, all unless given
#   EDGEWARD_BUILD            another build than build/
source "$(dirname "$0")/common.sh"

tools/install.sh build
make -s build
cargo bench --quiet --bench timing
