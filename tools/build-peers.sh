#!/usr/bin/env bash
# Bundles the Workers that edgeward is measured next to (benches/peers) into target/bench/peers/.
source "$(dirname "$0")/common.sh"

esbuild benches/peers/*.js --bundle --format=esm --target=es2024 --log-level=warning \
    --conditions=workerd,worker,browser '--external:cloudflare:*' '--external:node:*' \
    --outdir=target/bench/peers
