#!/bin/sh
# Starts the image with its stores as deploy/compose.yaml does, and asks for one decision.
set -eu
cd "$(dirname "$0")"
export ADBID_IMAGE="${1:?usage: deploy/smoke.sh IMAGE}"
./make-secrets.sh
trap 'docker compose down --volumes' EXIT
docker compose up --no-build --wait --wait-timeout 180 service || { docker compose logs; exit 1; }
key=$(docker compose exec -T service adbid keys create smoke --scope score --json |
  python3 -c 'import json, sys; print(json.load(sys.stdin)["key"])')
curl --fail --silent --show-error http://127.0.0.1:8000/api/score \
  -H "authorization: Bearer $key" -H 'content-type: application/json' \
  -d '{"slot_id": 7, "tmax_ms": 1000, "bids": [{"bid_id": "b1", "brand_id": 3, "pricing_model": "CPC", "amount": 0.5}]}'
echo
