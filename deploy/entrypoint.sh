#!/bin/sh
# Give each secret whose file is named like an environment variable to the program as that variable:
# /run/secrets/CIVITAS_DATABASE_URL becomes $CIVITAS_DATABASE_URL. Other secrets stay files.
set -eu

for file in "${SECRETS:-/run/secrets}"/*; do
    name=${file##*/}
    case $name in
    *[!A-Z0-9_]*) ;;
    *) export "$name=$(cat "$file")" ;;
    esac
done
exec "$@"
