#!/usr/bin/env bash
# Builds the test page: build/www/, which the Worker serves when `test_page` is on.
# usage: tools/build-page.sh
source "$(dirname "$0")/common.sh"

out=build/www
target=target/page
made=$target/bindings

# A build that fails leaves nothing behind that could be taken for its result. The directory stays, because
# wrangler watches it.
mkdir -p $out
rm -rf $made ${out:?}/*

wasm_library page $target
wasm-bindgen $target/wasm32-unknown-unknown/release/edgeward.wasm --out-dir $made --out-name core \
    --target web --no-typescript
wasm-opt -Os --enable-mutable-globals --enable-sign-ext --enable-nontrapping-float-to-int --enable-bulk-memory \
    --enable-multivalue --enable-reference-types $made/core_bg.wasm -o $out/page.wasm

# The licence of uPlot goes with its code, at the end of the file.
esbuild www/page.js --bundle --format=esm --target=es2022 --minify --legal-comments=eof --log-level=warning \
    --alias:core="./$made/core.js" --metafile=$target.bundle.json --outfile=$out/page.js
esbuild www/page.css --bundle --minify --legal-comments=eof --log-level=warning \
    --metafile=$target.styles.json --outfile=$out/page.css
cp www/index.html www/icon.svg $out/
