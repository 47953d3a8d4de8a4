#!/bin/bash
# Make the secrets of docker-compose.yml, once: random, in ./secrets, which only you can enter.
# Files that exist are kept. Containers read them as other users, so the files are readable; the
# folder is what keeps others out.
set -euo pipefail
cd "$(dirname "$0")/.."

random() {
    head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n'
}

keep() {
    if [ ! -e "secrets/$1" ]; then
        printf '%s' "$2" >"secrets/$1"
        chmod 0444 "secrets/$1"
        echo "Made secrets/$1"
    fi
}

mkdir -p secrets
chmod 0700 secrets
keep database_password "$(random)"
keep CIVITAS_DATABASE_URL "postgresql://civitas:$(cat secrets/database_password)@database/civitas"
keep hsm_pin "$(random)"
keep hsm_officer_pin "$(random)"
keep AWS_SECRET_ACCESS_KEY "$(random)"
keep store_identities.json '{"identities": [{"name": "civitas", "credentials": [{"accessKey":
"civitas", "secretKey": "'"$(cat secrets/AWS_SECRET_ACCESS_KEY)"'"}], "actions": ["Read:civitas",
"Write:civitas", "List:civitas"]}]}'
