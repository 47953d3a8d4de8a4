#!/bin/bash
# Install Chromium by apt when it is missing and that is allowed. Never fails: without it the
# browser tests are skipped, and the summary says so.
set -euo pipefail

for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then
        exit 0
    fi
done
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "No Chromium here, and only root may install it: browser tests will be skipped." >&2
    exit 0
fi
echo "Installing Chromium for the browser tests ..."
if ! { apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        chromium fonts-dejavu-core; }; then
    echo "Chromium could not be installed: browser tests will be skipped." >&2
fi
