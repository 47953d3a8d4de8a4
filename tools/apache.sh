#!/bin/bash
# Install Apache with mod_auth_openidc by apt when it is missing and that is allowed. Never fails:
# without it its interoperability tests are skipped, and the summary says so.
#
# apache2-bin is the program alone: no service is set up, nothing listens. The tests start it with
# a configuration of their own.
set -euo pipefail

if [ -x /usr/sbin/apache2 ] && [ -e /usr/lib/apache2/modules/mod_auth_openidc.so ]; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "No Apache with mod_auth_openidc, and only root may install it: its tests will be skipped." >&2
    exit 0
fi
echo "Installing Apache and mod_auth_openidc for the interoperability tests ..."
if ! { apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        apache2-bin libapache2-mod-auth-openidc; }; then
    echo "Apache could not be installed: its tests will be skipped." >&2
fi
