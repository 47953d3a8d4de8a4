#!/bin/sh
# Make the token and the root key in it, once; a second run finds them and does nothing.
#
# For SoftHSM, which keeps its token in a folder: back that folder up, without it nothing in the
# database can be opened again. A hardware module is initialised with its vendor's tool, then
# `civitas keys create-root` is run once.
set -eu

if [ -e /var/lib/civitas/tokens/.created ]; then
    echo "The root key is there."
    exit 0
fi
if ! softhsm2-util --show-slots | grep -q "Label: *$CIVITAS_PKCS11_TOKEN"; then
    softhsm2-util --init-token --free --label "$CIVITAS_PKCS11_TOKEN" \
        --so-pin "$(cat /run/secrets/hsm_officer_pin)" --pin "$(cat "$CIVITAS_PKCS11_PIN_FILE")"
fi
civitas keys create-root
touch /var/lib/civitas/tokens/.created
