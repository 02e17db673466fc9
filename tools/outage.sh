#!/usr/bin/env bash
# Lets the auth service fail behind three isolates of the built Worker under a steady load of valid
# tokens (benches/outage.rs), and prints tables and what had to hold. Fails if a valid request was
# refused, if more than 2 % of the requests became calls of the auth service, or if a breaker did not
# close again. The JSON is target/bench/outage.json. The machine should have nothing else to do.
#
#   EDGEWARD_OUTAGE_SECONDS  how long the auth service refuses connections, 60 unless given; then it
#                            hangs for half as long. Recovery adds up to as much again
#   EDGEWARD_BUILD           another build than build/
source "$(dirname "$0")/common.sh"

tools/install.sh bench
make -s build
cargo bench --quiet --bench outage
