# Sourced by the other scripts: strict mode, the repository root, and the project's own tools first
# on PATH. npm packages run in the pinned Node of node_modules, whatever the system has. /usr/sbin is
# where Debian has nginx, which is on the PATH of root alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PWD/node_modules/.bin:$PWD/.tools/bin:$PWD/.tools/prometheus/usr/bin:$PATH:/usr/sbin"

fail() {
    printf 'error: %s\n' "$@" >&2
    exit 1
}

# Whether the alerts can be tested. Prometheus 3 leaves the first sample out of a range, so that its alerts
# fire a sample later or earlier than the tests say.
has_prometheus() {
    command -v prometheus >/dev/null && [[ $(promtool --version 2>&1) == *"version 2."* ]]
}

# Builds the library as wasm: wasm_library FEATURE DIRECTORY [FLAG OF RUSTC...]. Nothing in it says where it was
# built, so that others who build it get the same bytes (tools/reproduce.sh). rustc would write into what can
# panic where this machine has the sources of the crates, and those of the standard library, if it has them:
# rust-analyzer brings them. As flags of the environment, which count before those of a user's configuration.
# What was compiled for it is told in DIRECTORY.json.
wasm_library() {
    local feature=$1 to=$2 flags crates sources
    shift 2
    flags=("$@")
    crates=$(cargo metadata --locked --format-version 1 --filter-platform wasm32-unknown-unknown |
        grep -o '"manifest_path":"[^"]*' | sed 's/^[^:]*:"//; s,[^/]*/Cargo.toml$,,' | sort -u)
    while read -r sources; do
        [ "$sources" = "$(dirname "$PWD")/" ] || flags+=("--remap-path-prefix=$sources=")
    done <<<"$crates"
    sources=$(rustc --print sysroot)/lib/rustlib/src/rust
    flags+=("--remap-path-prefix=$sources=/rustc/$(rustc -vV | awk '/^commit-hash: / { print $2 }')")
    mkdir -p "$to"
    CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f' && echo "${flags[*]}") \
        cargo build --locked --release --lib --target wasm32-unknown-unknown --features "$feature" --target-dir "$to" \
        --message-format json-render-diagnostics >"$to.json"
}
