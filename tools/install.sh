#!/usr/bin/env bash
# Installs what is missing, in the pinned versions, inside the repository (.tools, node_modules).
# usage: tools/install.sh build | test | bench        (test and bench include build)
# With everything in place it takes a fraction of a second and needs no network.
source "$(dirname "$0")/common.sh"

CARGO_DENY=0.20.2
CARGO_FUZZ=0.13.2
KOSOKU=0.1.0
# The generated bindings and the crate must be of one version; the lock file has it.
WASM_BINDGEN=$(awk '/^name = "wasm-bindgen"$/ { getline; gsub(/"/, ""); print $3 }' Cargo.lock)
RUST=$(awk -F'"' '/^rust-version = / { print $2 }' Cargo.toml)

install_rust_target() {
    command -v cargo >/dev/null && command -v rustc >/dev/null ||
        fail "Rust is not installed: see https://rustup.rs"
    local version
    version=$(rustc --version | awk '{ print $2 }')
    at_least "$version" "$RUST" ||
        fail "rustc $version is too old, $RUST or newer is needed: rustup update stable"
    [ -d "$(rustc --print sysroot)/lib/rustlib/wasm32-unknown-unknown" ] && return
    command -v rustup >/dev/null ||
        fail "rustup is not installed and this Rust lacks the target wasm32-unknown-unknown" \
            "install rustup from https://rustup.rs, or the target from where your Rust comes"
    rustup target add wasm32-unknown-unknown
}

at_least() {
    local major minor wanted_major wanted_minor
    IFS=. read -r major minor _ <<<"$1"
    IFS=. read -r wanted_major wanted_minor _ <<<"$2"
    [ "$major" -gt "$wanted_major" ] || { [ "$major" -eq "$wanted_major" ] && [ "$minor" -ge "$wanted_minor" ]; }
}

install_node_packages() {
    cmp -s package-lock.json node_modules/.installed-lock.json && return
    command -v node >/dev/null && command -v npm >/dev/null ||
        fail "Node.js with npm is not installed: see https://nodejs.org (it only has to bring npm;" \
            "the Node.js that runs everything here is one of the packages)"
    echo "installing the npm packages"
    npm ci --loglevel=error
    cp package-lock.json node_modules/.installed-lock.json
}

# Without --locked for wasm-bindgen-cli: its lock file names a version that some registries no
# longer serve.
install_crate() {
    local name=$1 version=$2
    shift 2
    grep -qs "^\"$name $version " .tools/.crates.toml && return
    echo "installing $name $version into .tools (some minutes, once)"
    # Its own target directory, so that it never waits for a build of this repository. Lightly
    # optimised: compiling the tools takes longer than everything they will ever do here.
    CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off \
        CARGO_TARGET_DIR="$PWD/.tools/target" cargo install --root .tools --version "$version" "$@" "$name"
    rm -rf .tools/target
}

# Sends the Autobahn cases. Where it cannot be installed, tools/test.sh says what that means.
install_kosoku() {
    local to=.tools/kosoku
    # The interpreter is a link to that of the system, which may be another one by now.
    [ "$(cat $to/.version 2>/dev/null)" = "$KOSOKU" ] && [ -x $to/bin/python ] && return
    command -v python3 >/dev/null || return 0
    echo "installing kosoku $KOSOKU into $to"
    rm -rf $to
    python3 -m venv $to &&
        $to/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: "kosoku==$KOSOKU" &&
        echo "$KOSOKU" >$to/.version && return
    rm -rf $to
    echo "could not be installed: kosoku" >&2
}

# What the origins of examples/origins need, for their tests; the one in Rust needs nothing more. Where
# something cannot be installed, tools/test.sh says what that means.
install_origins() {
    install_express
    install_fastapi
    install_packages go golang-go
}

install_express() {
    local to=examples/origins/express
    cmp -s $to/package-lock.json $to/node_modules/.installed-lock.json && return
    echo "installing the npm packages of $to"
    npm ci --prefix $to --loglevel=error &&
        cp $to/package-lock.json $to/node_modules/.installed-lock.json && return
    rm -rf $to/node_modules
    echo "could not be installed: the npm packages of $to" >&2
}

install_fastapi() {
    local to=.tools/fastapi requirements=examples/origins/fastapi/requirements.txt
    # The interpreter is a link to that of the system, which may be another one by now.
    cmp -s $requirements $to/.installed-requirements.txt && [ -x $to/bin/python ] && return
    command -v python3 >/dev/null || return 0
    echo "installing $requirements into $to"
    rm -rf $to
    python3 -m venv $to &&
        $to/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: \
            --requirement $requirements &&
        cp $requirements $to/.installed-requirements.txt && return
    rm -rf $to
    echo "could not be installed: $requirements" >&2
}

# Evaluates ops/alerts.yml in the tests. The package is unpacked, not installed: to install it takes root,
# and leaves a daemon behind that starts with the machine and listens to everybody. The two programs need
# nothing but libc. Where they cannot be had, tools/test.sh says what that means.
install_prometheus() {
    local to=.tools/prometheus
    has_prometheus && return
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 0
    echo "unpacking prometheus into $to"
    rm -rf $to
    mkdir -p $to/download/lists/partial
    (cd $to/download && download_package prometheus) &&
        dpkg-deb --fsys-tarfile $to/download/*.deb | tar -x -C $to ./usr/bin/prometheus ./usr/bin/promtool &&
        rm -r $to/download && return
    rm -rf $to
    echo "could not be unpacked: prometheus" >&2
}

# Where the machine has no lists of packages, or old ones, with lists of its own: those of the machine
# take root.
download_package() {
    local own=(-o "Dir::State::Lists=$PWD/lists" -o "Dir::Cache=$PWD" -o APT::Sandbox::User=root)
    apt-get -qq download "$1" >/dev/null 2>&1 ||
        { apt-get -qq "${own[@]}" update && apt-get -qq "${own[@]}" download "$1"; } >/dev/null 2>&1
}

# Installs the Debian packages $2... unless the program $1 is there, or this machine cannot.
install_packages() {
    local program=$1
    shift
    command -v "$program" >/dev/null && return
    command -v apt-get >/dev/null || return 0
    local as_root="env DEBIAN_FRONTEND=noninteractive"
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null && sudo -n true 2>/dev/null || return 0
        as_root="sudo -n $as_root"
    fi
    echo "installing $*"
    $as_root apt-get update -qq && $as_root apt-get install -qq -y --no-install-recommends "$@" >/dev/null ||
        echo "could not be installed: $*" >&2
}

case "${1:-}" in
build | test | bench) ;;
*) fail "usage: tools/install.sh build | test | bench" ;;
esac
install_rust_target
install_node_packages
install_crate wasm-bindgen-cli "$WASM_BINDGEN"
if [ "$1" = test ]; then
    install_crate cargo-deny "$CARGO_DENY" --locked
    install_crate cargo-fuzz "$CARGO_FUZZ" --locked
    install_kosoku
    install_prometheus
    install_origins
    install_packages chromedriver chromium chromium-driver
fi
if [ "$1" = bench ]; then
    install_packages nginx nginx-light
    command -v nginx >/dev/null || fail "nginx is missing: install the package nginx-light"
fi
