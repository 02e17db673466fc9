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
