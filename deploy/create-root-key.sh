#!/bin/sh
# Make the token and the root key in it, once; a second run finds them and does nothing.
#
# For SoftHSM, which keeps its token in a folder: back that folder up, without it nothing in the
# database can be opened again. A hardware module is initialised with its vendor's tool, then
# `civitas keys create-root` is run once.
set -eu

if ! softhsm2-util --show-slots | grep -q "Label: *$CIVITAS_PKCS11_TOKEN *$"; then
    softhsm2-util --init-token --free --label "$CIVITAS_PKCS11_TOKEN" \
        --so-pin "$(cat /run/secrets/hsm_officer_pin)" --pin "$(cat "$CIVITAS_PKCS11_PIN_FILE")"
fi
if said=$(civitas keys create-root 2>&1); then
    echo "$said"
    exit 0
fi
case $said in
*"already holds"*) echo "The root key is there." ;;
*)
    echo "$said" >&2
    exit 1
    ;;
esac
