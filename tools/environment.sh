#!/bin/bash
# Make or update .venv from a lock file. Called by the Makefile, which decides when.
#
#   tools/environment.sh requirements.lock        what runs Civitas
#   tools/environment.sh requirements-dev.lock    what develops and tests it, too
set -euo pipefail

lock=$1
venv=${CIVITAS_VENV:-.venv}

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    local name
    for name in ${PYTHON:-} python3.11 python3 python3.14 python3.13 python3.12; do
        if is_new_enough "$name"; then
            echo "$name"
            return
        fi
    done
    echo "Civitas needs Python 3.11 or newer; set PYTHON=/path/to/python if yours is elsewhere." >&2
    return 1
}

if ! is_new_enough "$venv/bin/python"; then
    python=$(find_python)
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
            echo "$python can't make virtual environments here. Install its venv package first:" >&2
            echo "    sudo apt-get install python3-venv" >&2
            exit 1
        fi
        echo "Installing python3-venv, which Debian ships apart from Python ..."
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-venv
    fi
    echo "Making $venv with $("$python" --version) ..."
    "$python" -m venv --clear "$venv"
fi

pip() {
    "$venv/bin/python" -m pip --disable-pip-version-check --no-input "$@"
}

echo "Installing the $(grep -c '^[a-z].*==' "$lock") packages of $lock (a minute or two, once) ..."
pip install --require-hashes --no-deps -r "$lock" |
    { grep -v '^Requirement already satisfied' || true; }
# setuptools warns of every editable installation.
PYTHONWARNINGS=ignore pip install --quiet --no-deps --no-build-isolation --no-index --editable .
# Once and for all, and not in each of the processes that start at the same time.
env -u PYTHONDONTWRITEBYTECODE "$venv/bin/python" -m compileall -q \
    app portal partner_api idp consent vault population_register audit kernel migrations
echo "$venv is ready."
