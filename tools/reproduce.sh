#!/usr/bin/env bash
# Builds the files that git knows, as they are in this tree, twice, in new folders and as two users would, who keep
# the sources of crates in different places. Fails unless both have the same bytes and no path of this machine is in
# them; else prints their hashes. What it takes for itself is removed at the end.
# usage: tools/reproduce.sh [DIRECTORY]      builds it once, as the other user, and compares with what is there
source "$(dirname "$0")/common.sh"

tools/install.sh build
root=$PWD
git rev-parse --verify --quiet HEAD >/dev/null || fail "this is no checkout of git, which knows what belongs to it"
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
# Told, because rustup would look for it in the home of the other user.
export RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup}

# build_as NAME [HOME [WHERE CARGO KEEPS ITS FILES]]
build_as() {
    local folder=$here/$1/edgeward
    mkdir -p "$folder"
    git ls-files -z | tar --null --files-from - --create | tar --extract --directory "$folder"
    ln -s "$root/.tools" "$root/node_modules" "$folder"
    echo "building in $folder"
    HOME=${2:-$HOME} CARGO_HOME=${3:-${CARGO_HOME:-$HOME/.cargo}} \
        bash -c 'cd "$0" && tools/build.sh && tools/build-page.sh' "$folder" >"$here/$1.log" 2>&1 ||
        { cat "$here/$1.log" >&2 && fail "the build in $folder has failed"; }
}

# Another home, with the crates that were downloaded, so that nothing has to come from the network again.
other_home() {
    local cargo=${CARGO_HOME:-$HOME/.cargo} file
    mkdir -p "$here/home/of/cargo/registry"
    for file in config.toml registry/cache registry/index; do
        [ ! -e "$cargo/$file" ] || cp -R "$cargo/$file" "$here/home/of/cargo/$file"
    done
}

hashes() { (cd "$1" && sha256sum index.js index_bg.wasm www/*); }

if [ $# -eq 0 ]; then
    build_as one
    expected=$here/one/edgeward/build
else
    expected=$1
fi
other_home
build_as another "$here/home" "$here/home/of/cargo"
made=$here/another/edgeward/build

diff <(hashes "$expected") <(hashes "$made") >&2 ||
    fail "$expected (<) is not what was built in $made (>)" "compare the Rust of both: rustc --version --verbose"
for path in "$here" "$root/" "$HOME/" "${CARGO_HOME:-$HOME/.cargo}/" "$(rustc --print sysroot)/"; do
    ! grep -rlF "$path" "$expected/index.js" "$expected/index_bg.wasm" "$expected/www" "$made" >&2 ||
        fail "the path $path is in it"
done
hashes "$made"
