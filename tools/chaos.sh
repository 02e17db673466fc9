#!/usr/bin/env bash
# Lets everything around three isolates of the built Worker fail at random, and workerd with it, under
# traffic that does not stop, and holds what came of it against a model (tests/edge/chaos.rs). Prints what
# was sent, what failed, and what was checked, and fails with each violation named.
#
#   EDGEWARD_CHAOS_SECONDS  1800 unless given; there is no fault in the last 16
#   EDGEWARD_CHAOS_SEED     plays the faults of another run once more, which has printed its seed; unless
#                           given, a new one
#   EDGEWARD_BUILD          another build than build/
source "$(dirname "$0")/common.sh"

export EDGEWARD_CHAOS_SECONDS="${EDGEWARD_CHAOS_SECONDS:-1800}"
export EDGEWARD_CHAOS_SEED="${EDGEWARD_CHAOS_SEED:-$(($(od -An -N4 -tu4 /dev/urandom)))}"

tools/install.sh build
make -s build
cargo test --quiet --test edge -- --exact --nocapture \
    chaos::whatever_fails_nobody_passes_who_may_not_and_nobody_is_refused_but_as_the_policy_says
