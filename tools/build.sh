#!/usr/bin/env bash
# Builds a Worker: index.js and its wasm.
# usage: tools/build.sh [FEATURE [DIRECTORY]]     `edge` into build/ unless said otherwise
source "$(dirname "$0")/common.sh"

feature=${1:-edge}
out=${2:-build}
# Of its own for each feature, because Cargo keeps one edgeward.wasm for each target directory:
# one Worker could end up in the other's build.
target=target/worker-$feature
made=$target/bindings

# A build that fails leaves nothing behind that could be taken for its result.
rm -rf "$out"/index* "$made"

# The feature of js-sys for futures, which the bundler of the `worker` crate asks for, too. Most requests
# of an isolate meet code that V8 has not optimised yet, so small functions are put into those that call
# them, more of them than level `z` would: docs/performance.md, "Size against time".
WASM_BINDGEN_USE_JS_SYS=1 wasm_library "$feature" $target -Cllvm-args=-inline-threshold=85

# The two flags let the instance start again after a panic, as `start` in src/edge.rs asks for it.
wasm-bindgen $target/wasm32-unknown-unknown/release/edgeward.wasm --out-dir $made --out-name index \
    --target module --no-typescript --experimental-reset-state-function --force-enable-abort-handler

# A closure of an instance that has ended finds out that it may not be called any more, but only when the next
# instance is there, and what starts that comes later in the same call. So it comes before.
ask='if (state\.instance !== __wbg_instance_id) {'
grep -q "$ask" $made/index.js || fail "closures in $made/index.js do not ask which instance there is"
sed -i "s/$ask/__wbg_call_guard(); &/" $made/index.js

# By name, functions that were made from the same generic one are neighbours, and gzip sees what they
# share. The lowest KiB of memory is the far end of the stack, which nothing reaches but an overflow.
# Features by name: with --all-features, binaryen writes what the runtime does not read yet.
mkdir -p "$out"
wasm-opt -Os --one-caller-inline-max-function-size=0 --low-memory-unused --reorder-functions-by-name \
    --enable-mutable-globals --enable-sign-ext --enable-nontrapping-float-to-int --enable-bulk-memory \
    --enable-multivalue --enable-reference-types --enable-exception-handling \
    $made/index_bg.wasm -o "$out/index_bg.wasm"

cp src/edge/entry/$feature.js $made/entry.js
esbuild $made/entry.js --bundle --format=esm --minify --log-level=warning \
    --external:./index_bg.wasm --external:cloudflare:\* --metafile=$target.bundle.json --outfile="$out/index.js"
# The runtime takes wasm from a plain import.
sed -i 's/import source /import /' "$out/index.js"
