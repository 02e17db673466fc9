#!/usr/bin/env bash
# Abuses the built Worker beside users of it (benches/abuse.rs), and prints tables and what had to hold.
# Fails if users were left less than nine tenths of what they have beside as many who are welcome (but beside
# forged ES384 and ES512 tokens, which docs/performance.md speaks of), if an answer was wrong, if unknown keys had
# an issuer asked more often than its cooldown allows, or if memory grew.
# The JSON is target/bench/abuse.json. About forty minutes; the machine should have nothing else to do.
#
#   EDGEWARD_ABUSE_SECONDS  how long each kind of abuse lasts in each round, 10 unless given
#   EDGEWARD_ABUSE_ROUNDS   3 unless given
#   EDGEWARD_ABUSE_FLOOD    how many requests follow of which none is like another; 3600000 unless given, which
#                           is an hour of a thousand a second
#   EDGEWARD_BUILD          another build than build/
source "$(dirname "$0")/common.sh"

tools/install.sh bench
make -s build
limit=$(ulimit -Hn)
[ "$limit" = unlimited ] || [ "$limit" -ge 8192 ] ||
    fail "this needs 8192 open files in one process, and no more than $limit are allowed:" \
        "raise the hard limit (ulimit -Hn)"
ulimit -Sn "$limit"

cargo bench --quiet --bench abuse
