#!/bin/sh
# Makes the passwords that deploy/compose.yaml reads, once, readable by their owner and containers.
set -eu
cd "$(dirname "$0")"
mkdir -p secrets
chmod 700 secrets
random() { python3 -c 'import secrets; print(secrets.token_urlsafe(24), end="")'; }
[ -e secrets/postgres_password ] || random > secrets/postgres_password
[ -e secrets/grafana_password ] || random > secrets/grafana_password
[ -e secrets/metrics_token ] || random > secrets/metrics_token
[ -e secrets/database_url ] || printf 'postgresql://adbid:%s@postgres:5432/adbid' \
  "$(cat secrets/postgres_password)" > secrets/database_url
# Compose mounts the files as they are; inside, other accounts than ours read them.
chmod 644 secrets/*
echo "secrets are in $(pwd)/secrets"
