#!/usr/bin/env bash
# Builds the Worker into build/: index.js and its wasm.
source "$(dirname "$0")/common.sh"

# worker-build would look for these in its cache, then download them.
export WASM_BINDGEN_BIN="$PWD/.tools/bin/wasm-bindgen"
export WASM_OPT_BIN="$PWD/node_modules/.bin/wasm-opt"
export ESBUILD_BIN="$PWD/node_modules/.bin/esbuild"

# A build that fails leaves nothing behind that could be taken for its result.
rm -rf build
worker-build --release --features edge
