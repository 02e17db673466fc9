#!/usr/bin/env bash
# Builds the probe (src/edge/probe.rs) into target/probe/: index.js and its wasm. It is a Worker
# for tests and measurements and is never deployed.
source "$(dirname "$0")/common.sh"

out=target/probe

# Made when a build begins, kept when it succeeds.
stamp=target/probe.stamp

[ -f $out/index.js ] && [ -f $stamp ] &&
    [ -z "$(find src Cargo.toml Cargo.lock "$0" -newer $stamp -print -quit)" ] && exit
mkdir -p target
touch $stamp.new

export WASM_BINDGEN_BIN="$PWD/.tools/bin/wasm-bindgen"
export WASM_OPT_BIN="$PWD/node_modules/.bin/wasm-opt"
export ESBUILD_BIN="$PWD/node_modules/.bin/esbuild"
# Of its own, because Cargo keeps one edgeward.wasm for each target directory, whatever its
# features: the probe's could end up in the Worker's build.
export CARGO_TARGET_DIR="$PWD/target/probe-build"

rm -rf $out $stamp
worker-build --release --out-dir $out --features probe
mv $stamp.new $stamp
