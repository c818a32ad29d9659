#!/bin/sh
# Brings an installation up from nothing, without a click: see docs/integrating.md.
#
#   bring-up.sh FOLDER API_KEY_FILE [PORT]
#
# Run it again as often as you like: what is there stays as it is. The result is on stdout, and the same each time; what
# was done is on stderr. The environment says where the License Server is: TELEMETRY_LICENSE_SERVER_URL and others.
set -eu
umask 077
api_key=$(realpath "$2") port=${3:-8080}
mkdir -p "$1/secrets"
cd "$1"

# Secrets: made once. Keep the folder with your other secrets, apart from the backups of the database.
for name in encryption_key credential_encryption_key admin_password; do
    [ -s "secrets/$name" ] || telemetry-service generate-key > "secrets/$name"
done
export ENCRYPTION_KEY_FILE="$PWD/secrets/encryption_key"
export CREDENTIAL_ENCRYPTION_KEY_FILE="$PWD/secrets/credential_encryption_key"
export TELEMETRY_ADMIN_PASSWORD_FILE="$PWD/secrets/admin_password"
export TELEMETRY_DATABASE_URL="sqlite:///$PWD/telemetry.db"

# What the deployment decides: saved at each start, and locked in the tab.
export TELEMETRY_API_KEY_FILE="$api_key"
export TELEMETRY_CONFIG_FREQUENCY=weekly
export TELEMETRY_CONFIG_ENCRYPT_PAYLOAD=true
export TELEMETRY_CONFIG_ANONYMIZE_PII=true

# The service. Elsewhere, systemd or a cluster starts it, and the rest is an init job.
is_ready() {
    curl -sf -o /dev/null "http://127.0.0.1:$port/readyz"
}
if ! is_ready; then
    telemetry-service serve --port "$port" >> service.log 2>&1 &
    echo $! > service.pid
    until is_ready; do
        kill -0 "$(cat service.pid)" || exit 1 # service.log says why.
        sleep 0.2
    done
fi

# What the deployment only begins with: the administrator may change it later in the tab, until this runs again.
telemetry-service config set retention_days=90 >&2

# A token for the Control Plane, which registers bouncers and reports their usage.
token=secrets/control_plane_token
if [ ! -s "$token" ]; then
    # If the file was lost, or never written, no one has the token: replace it.
    if telemetry-service token list | grep -q ' control-plane '; then
        telemetry-service token revoke control-plane >&2 || true # It may be revoked already.
    fi
    telemetry-service token create control-plane --scope report | tail -n 1 > "$token.new"
    mv "$token.new" "$token"
fi

# The bouncers: all of them, so that others are removed. The token is no argument, because others can see those.
cat > bouncers.json << 'JSON'
{"bouncers": [{"bouncer_id": "bnc-api-prd", "environment": "production", "pair_id": "pair-api"},
              {"bouncer_id": "bnc-api-sbx", "environment": "sandbox", "pair_id": "pair-api"}]}
JSON
printf 'Authorization: Bearer %s' "$(cat "$token")" |
    curl -sS --fail-with-body -X PUT "http://127.0.0.1:$port/api/v1/bouncers" -H @- \
        -H 'Content-Type: application/json' --data @bouncers.json >&2

# The first transmission. It shows that everything fits together, even without usage.
accepted() {
    telemetry-service history --status success --limit 1 --json | grep -E '"(transmission_id|state|receipt_verified)"'
}
if ! first=$(accepted); then
    telemetry-service send-now --idempotency-key bring-up >&2
    first=$(accepted)
fi
telemetry-service config get
echo "$first"
