#!/usr/bin/env bash
# Builds the probe (src/edge/probe.rs) into target/probe/, if its sources have changed. It is a
# Worker for tests and measurements and is never deployed.
source "$(dirname "$0")/common.sh"

out=target/probe

# Made when a build begins, kept when it succeeds.
stamp=target/probe.stamp

[ -f $out/index.js ] && [ -f $stamp ] &&
    [ -z "$(find src Cargo.toml Cargo.lock tools/build.sh -newer $stamp -print -quit)" ] && exit
mkdir -p target
touch $stamp.new
rm -f $stamp
tools/build.sh probe $out
mv $stamp.new $stamp
