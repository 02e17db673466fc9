#!/usr/bin/env bash
# Everything that must hold before a change goes in, cheapest first. Stops at the first failure.
# What this machine cannot run is skipped, in plain sight, and again in the last lines; with CI set
# a missing program is a failure.
source "$(dirname "$0")/common.sh"

WASM=wasm32-unknown-unknown
# Projects of their own, with lock files of their own.
AXUM=examples/origins/axum
FUZZ=fuzz
EXPRESS=examples/origins/express
skipped=()

step() { printf '\n==> %s\n' "$1"; }
skip() {
    skipped+=("SKIPPED: $1")
    echo "SKIPPED: $1"
}

# Advisories about the npm packages of a lock file. npm fails in one way if there are any, if the registry does
# not tell, as mirrors do not, and if it could not ask. What it prints tells them apart.
audit_npm() {
    local options=(--package-lock-only --prefix "$1" --fetch-retries 0 --fetch-timeout 30000) report
    report=$(npm audit --json "${options[@]}" 2>/dev/null) || true
    case "$report" in
    *'"auditReportVersion"'*) npm audit "${options[@]}" || fail "there are advisories about npm packages of $1" ;;
    *'"message"'*) skip "advisories about npm packages of $1 ($(awk -F'"' '/"message"/ { print $4; exit }' <<<"$report"))" ;;
    *) fail "npm audit in $1:" "$report" ;;
    esac
}

step "tools"
tools/install.sh test

step "format"
cargo fmt --check
cargo fmt --check --manifest-path "$AXUM/Cargo.toml"
cargo fmt --check --manifest-path "$FUZZ/Cargo.toml"
if command -v go >/dev/null; then
    unformatted=$(gofmt -l examples/origins/go)
    [ -z "$unformatted" ] || fail "gofmt -w $unformatted"
fi

step "lints"
cargo clippy --all-targets -- -D warnings
cargo clippy --target "$WASM" --features edge --lib --test wasm -- -D warnings
cargo clippy --target "$WASM" --features probe --lib --test wasm -- -D warnings
cargo clippy --target "$WASM" --features page --lib -- -D warnings
cargo clippy --locked --manifest-path "$AXUM/Cargo.toml" --target-dir "${CARGO_TARGET_DIR:-target}" -- -D warnings
cargo clippy --locked --manifest-path "$FUZZ/Cargo.toml" --target-dir "${CARGO_TARGET_DIR:-target}" -- -D warnings
if command -v go >/dev/null; then (cd examples/origins/go && go vet .); fi

step "documentation"
export RUSTDOCFLAGS="-D warnings"
cargo doc --no-deps --quiet
cargo doc --no-deps --quiet --target "$WASM" --features edge
cargo doc --no-deps --quiet --target "$WASM" --features probe
unset RUSTDOCFLAGS

step "dependencies"
cargo deny --all-features check --hide-inclusion-graph bans licenses sources
# Without licences, as with what only the tests need: nobody gets it from us.
for project in "$AXUM" "$FUZZ"; do
    cargo deny --manifest-path "$project/Cargo.toml" --config deny.toml check --hide-inclusion-graph bans sources
done
# The database of advisories is a repository on GitHub.
if curl -fsI --max-time 10 https://github.com/RustSec/advisory-db >/dev/null 2>&1; then
    cargo deny --all-features check advisories
    cargo deny --manifest-path "$AXUM/Cargo.toml" --config deny.toml check advisories
    cargo deny --manifest-path "$FUZZ/Cargo.toml" --config deny.toml check advisories
else
    skip "advisories about crates (https://github.com/RustSec/advisory-db cannot be reached from here)"
fi
audit_npm .
audit_npm "$EXPRESS"

step "alerts"
if has_prometheus; then
    promtool check rules ops/alerts.yml
    promtool test rules ops/alerts_test.yml
elif [ -n "${CI:-}" ]; then
    fail "Prometheus is missing: install prometheus and promtool, of version 2"
else
    skip "the alerts, also in a running Prometheus (install prometheus and promtool, of version 2)"
fi

step "native tests"
# By name, because the tests of built Workers (edge, vectors) come after the build.
native=()
for file in tests/*.rs tests/*/main.rs; do
    name=${file#tests/}
    name=${name%/main.rs}
    name=${name%.rs}
    case "$name" in
    edge | vectors | wasm) ;;
    *) native+=(--test "$name") ;;
    esac
done
cargo test --lib --bins --examples "${native[@]}"
cargo test --doc

step "hostile input"
# The same each time; `make fuzz` goes on to new ones.
if command -v c++ >/dev/null; then
    EDGEWARD_FUZZ_RUNS=3000 tools/fuzz.sh
elif [ -n "${CI:-}" ]; then
    fail "c++ is missing: install the package g++"
else
    skip "fuzzing (install the package g++); the corpora were replayed"
fi

step "build"
make -s build

step "bills of materials"
node --test --test-reporter=spec tests/sbom.test.mjs

step "reproducible build"
# Without CI not, because it takes minutes.
if [ -z "${CI:-}" ]; then
    skip "building the same bytes elsewhere (make reproduce)"
elif ! git rev-parse --verify --quiet HEAD >/dev/null; then
    skip "building the same bytes elsewhere (this is no checkout of git)"
else
    tools/reproduce.sh build
fi

step "wasm tests in Node"
export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER="$PWD/.tools/bin/wasm-bindgen-test-runner"
cargo test --target "$WASM" --test wasm

step "wasm tests in headless Chromium"
if driver=$(command -v chromedriver); then
    CHROMEDRIVER="$driver" WASM_BINDGEN_USE_BROWSER=1 WASM_BINDGEN_TEST_WEBDRIVER_JSON="$PWD/tools/webdriver.json" \
        cargo test --target "$WASM" --test wasm
elif [ -n "${CI:-}" ]; then
    fail "chromedriver is missing: install the packages chromium and chromium-driver"
else
    skip "wasm tests in Chromium (install the packages chromium and chromium-driver)"
fi

step "end-to-end tests"
# The tests themselves pass without what is missing.
if [ ! -f .tools/kosoku/.version ]; then
    [ -z "${CI:-}" ] || fail "kosoku is missing: install Python 3.10 or newer with venv"
    skip "the Autobahn cases (install Python 3.10 or newer with venv)"
fi
if [ ! -x /usr/bin/chromium ]; then
    [ -z "${CI:-}" ] || fail "/usr/bin/chromium is missing: install the package chromium"
    skip "WebSockets of a page in Chromium (install the package chromium)"
fi
if [ ! -f "$EXPRESS/node_modules/.installed-lock.json" ]; then
    [ -z "${CI:-}" ] || fail "the npm packages of $EXPRESS are missing"
    skip "the origin in Express (tools/install.sh test says why its packages are missing)"
fi
if [ ! -f .tools/fastapi/.installed-requirements.txt ]; then
    [ -z "${CI:-}" ] || fail "the packages of examples/origins/fastapi are missing: install Python 3.11 or newer with venv"
    skip "the origin in FastAPI (install Python 3.11 or newer with venv)"
fi
if ! command -v go >/dev/null; then
    [ -z "${CI:-}" ] || fail "go is missing: install the package golang-go"
    skip "the origin in Go (install the package golang-go)"
fi
cargo test --test edge

step "page in Chromium"
if [ -x /usr/bin/chromium ]; then
    node --test --test-reporter=spec tests/browser/page.test.mjs
else
    [ -z "${CI:-}" ] || fail "/usr/bin/chromium is missing: install the package chromium"
    skip "the test page in Chromium (install the package chromium)"
fi

step "public vectors, inside the runtime"
cargo test --test vectors

step "done"
[ ${#skipped[@]} -eq 0 ] || printf '%s\n' "${skipped[@]}"
echo "everything that ran has passed"
