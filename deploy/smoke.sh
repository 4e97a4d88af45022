#!/bin/sh
# Starts the image with its stores as deploy/compose.yaml does, and asks for one decision. In a
# project of its own, on ports of its own: what runs on this host is left alone.
set -eu
cd "$(dirname "$0")"
export ADBID_IMAGE="${1:?usage: deploy/smoke.sh IMAGE}"
export COMPOSE_PROJECT_NAME="adbid-smoke-$$" ADBID_PORT=18000 ADBID_MLFLOW_PORT=15000
./make-secrets.sh
trap 'docker compose down --volumes' EXIT
docker compose up --no-build --wait --wait-timeout 420 service || { docker compose logs; exit 1; }
key=$(docker compose exec -T service adbid keys create smoke --scope score --json |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["key"])')
curl --fail --silent --show-error "http://127.0.0.1:$ADBID_PORT/api/score" \
  -H "authorization: Bearer $key" -H 'content-type: application/json' \
  -d '{"slot_id": 7, "tmax_ms": 1000, "bids": [{"bid_id": "b1", "brand_id": 3, "pricing_model": "CPC", "amount": 0.5}]}'
echo
