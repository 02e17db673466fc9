.DEFAULT_GOAL := help
.PHONY: help dev build sbom reproduce test fuzz miri bench load outage chaos abuse timing fmt lint clean

COMMON := Cargo.toml Cargo.lock package-lock.json tools/common.sh tools/install.sh
SOURCES := $(shell find src -type f) $(COMMON) tools/build.sh
PAGE := $(shell find src/core src/core.rs src/gate src/gate.rs src/lib.rs src/page.rs www -type f) $(COMMON) tools/build-page.sh

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

dev: ## install, build, and run the Worker, a demo origin and development issuers until Ctrl-C
	@tools/install.sh build
	@exec node_modules/.bin/node dev/run.mjs

build: build/index.js build/www/page.js ## the Worker: build/index.js and its wasm; its test page: build/www

build/index.js: $(SOURCES)
	@tools/install.sh build
	@tools/build.sh
	@touch $@

build/www/page.js: $(PAGE)
	@tools/install.sh build
	@tools/build-page.sh
	@touch $@

sbom: build ## what is shipped: bills of materials (CycloneDX) of Worker, test page and command line tool, in build/
	@node_modules/.bin/node tools/sbom.mjs

reproduce: ## builds this tree twice, in other places: fails unless the same bytes come of it, and prints their hashes
	@tools/reproduce.sh

test: ## everything: format, lints, dependencies, and all tests (native, wasm, the built Worker)
	@tools/test.sh

fuzz: ## a minute of hostile input for each target; EDGEWARD_FUZZ_SECONDS says how long instead
	@tools/install.sh test
	@tools/fuzz.sh

miri: ## the corpora of the fuzz targets in Miri, which needs a nightly toolchain with it
	@tools/miri.sh

bench: ## how fast the Worker is, next to others (minutes; tools/bench.sh says how to measure less)
	@tools/bench.sh

load: ## thousands of clients for five minutes (tools/load.sh says how to take fewer and less)
	@tools/load.sh

outage: ## an outage of the auth service under load (tools/outage.sh says how to make it shorter)
	@tools/outage.sh

chaos: ## half an hour of random faults of everything (tools/chaos.sh says how to take less)
	@tools/chaos.sh

abuse: ## what a thousand abusive clients cost a hundred users (tools/abuse.sh says how to take less)
	@tools/abuse.sh

timing: ## whether the time of a refusal tells what it must not (tools/timing.sh says how to take less)
	@tools/timing.sh

fmt: ## format the Rust sources
	@cargo fmt
	@cargo fmt --manifest-path examples/origins/axum/Cargo.toml
	@cargo fmt --manifest-path fuzz/Cargo.toml

lint: ## format check and lints, native and wasm
	@tools/install.sh build
	cargo fmt --check
	cargo fmt --check --manifest-path examples/origins/axum/Cargo.toml
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	cargo clippy --all-targets -- -D warnings
	cargo clippy --target wasm32-unknown-unknown --features probe --lib --test wasm -- -D warnings
	cargo clippy --target wasm32-unknown-unknown --features page --lib -- -D warnings

clean: ## remove what builds produce; installed tools and development secrets stay
	cargo clean
	rm -rf build .wrangler
