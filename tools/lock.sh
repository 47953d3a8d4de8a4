#!/bin/bash
# Write requirements.lock, requirements-dev.lock and requirements-matching.lock: exact versions,
# hashes of every file of every platform, and no index, folder or host of the machine it runs on.
# Takes some minutes.
#
# Versions that pyproject.toml still allows are kept; `tools/lock.sh --upgrade` takes the newest.
set -euo pipefail
unset PIP_FIND_LINKS PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_NO_INDEX

compile() {
    .venv/bin/pip-compile --quiet --no-config --strip-extras --allow-unsafe --generate-hashes \
        --build-deps-for editable --no-header --no-annotate --no-emit-options \
        --no-emit-index-url --no-emit-find-links --constraint "$work/constraints" "$@" pyproject.toml
}

head_line() {
    echo "# Every package that Civitas is $1 with, with the hashes of its files for all platforms."
    echo "# Made from pyproject.toml by \`make lock\`; not edited by hand."
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# One version for all environments: botocore, which the S3 server of the tests needs, refuses 3.
echo "python-dateutil<3" >"$work/constraints"
cp requirements.lock "$work/runtime"
compile --output-file "$work/runtime" "$@"
# The versions of the runtime are constraints of the development environment.
cp "$work/runtime" "$work/development"
compile --extra test --output-file "$work/development"
cp "$work/runtime" "$work/matching"
compile --extra matching --extra matching-benchmark --output-file "$work/matching"
{ head_line run; grep -v '^#' "$work/runtime"; } >requirements.lock
{ head_line "developed and tested"; grep -v '^#' "$work/development"; } >requirements-dev.lock
{ head_line "taught and measured to match"; grep -v '^#' "$work/matching"; } >requirements-matching.lock
