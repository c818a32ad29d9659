"""The whole story through a client that openapi-python-client has made.

Usage: python story.py URL REPORT_TOKEN ADMIN_TOKEN, where the client can be imported. It prints what it has read.
"""

import json
import sys
from datetime import UTC, datetime
from importlib import import_module
from typing import Any
from uuid import UUID

from control_core_telemetry_client import AuthenticatedClient, models

CALLED: set[str] = set()


def call(name: str, client: Any, **given: Any) -> Any:
    """Make a call, and return what its answer was read as."""
    topic, _, function = name.partition(".")
    CALLED.add(function)
    answer = import_module(f"control_core_telemetry_client.api.{topic}.{function}").sync_detailed(
        client=client, **given
    )
    assert "X-Request-Id" in answer.headers, name
    return answer


def read(name: str, client: Any, **given: Any) -> Any:
    """Make a call that succeeds."""
    answer = call(name, client, **given)
    assert answer.status_code < 300, (name, answer.content)
    assert answer.parsed is not None, name
    assert not type(answer.parsed).__name__.startswith("Problem"), name
    return answer.parsed


def report(number: int, events: int, successful: int | None = None) -> Any:
    return models.UsageReport(
        report_id=UUID(int=(0x01980000_0000_7000_8000 << 48) + number),
        bouncer_id="bnc-py",
        environment=models.Environment.PRODUCTION,
        audit_events=events,
        policy_decisions=events,
        successful_decisions=events if successful is None else successful,
    )


def facts(reporter: Any) -> None:
    bouncer = models.NamedRegistration(bouncer_id="bnc-py", environment=models.Environment.SANDBOX, pair_id="pair-py")
    changed = read("facts.put_bouncers", reporter, body=models.Registry(bouncers=[bouncer]))
    print("added", len(changed.added))
    read("facts.get_bouncers", reporter)
    read("facts.get_bouncer", reporter, bouncer_id="bnc-py")
    posted = read("facts.post_usage", reporter, body=models.UsageBatch(reports=[report(n, 10**9) for n in range(3)]))
    print("accepted", posted.accepted, posted.reportable, posted.warnings[0].code)
    posture = models.ReportedLicense(tier="starter", license_status="active")
    print("license", read("facts.put_license", reporter, body=posture).tier)
    read("facts.get_license", reporter)
    single = models.BouncerRegistration(environment=models.Environment.PRODUCTION, pair_id="pair-other")
    read("facts.put_bouncer", reporter, bouncer_id="other", body=single)
    call("facts.delete_bouncer", reporter, bouncer_id="other")
    code = models.ExtensionCode(code_id="EXT-PY", redeemed_at=datetime(2026, 11, 1, tzinfo=UTC))
    read("facts.post_extension_code", reporter, body=code)
    wrong = models.UsageBatch(reports=[report(8, 1), report(9, 1, successful=5)])
    problem = call("facts.post_usage", reporter, body=wrong).parsed
    (error,) = problem.errors
    print("refused", problem.retryable, [error.index], error.report_id == report(9, 0).report_id)


def settings(admin: Any) -> None:
    config = read("configuration.get_config", admin)
    days = 365 if config.retention_days == 90 else 90
    patch = models.TelemetryConfigurationPatch(retention_days=models.RetentionDays(days))
    print("patched", int(read("configuration.patch_config", admin, body=patch).retention_days) == days)
    off = models.TelemetryConfigurationPatch(enabled=False)
    print("lost", call("configuration.patch_config", admin, body=off).parsed.consequences.events_never_sent)
    tried = read("configuration.patch_config", admin, body=off, dry_run=True)
    print("dry run", type(tried).__name__, tried.events_never_sent)


def settings_again(admin: Any) -> None:
    tag = call("configuration.get_config", admin).headers["ETag"]
    present = read("configuration.get_config", admin)
    values = models.TelemetryConfiguration(
        enabled=True,
        frequency=present.frequency,
        encrypt_payload=True,
        anonymize_pii=True,
        retention_days=models.RetentionDays(present.retention_days),
    )
    read("configuration.put_config", admin, body=values, if_match=tag)
    key = read("configuration.post_reveal", admin).api_key
    call("configuration.delete_api_key", admin)
    read("configuration.put_api_key", admin, body=models.ApiKeyToSave(api_key=key))
    read("configuration.post_test_connection", admin, body=models.ApiKeyInput(api_key=key))


def sending(admin: Any) -> None:
    preview = read("insight.get_preview", admin)
    print("preview", preview.figures.total_events, preview.payload.total_events)
    sent = read("transmissions.post_send_now", admin, idempotency_key="py-1")
    again = call("transmissions.post_send_now", admin, idempotency_key="py-1")
    print("sent", sent.state, sent.records_sent, again.headers["Idempotency-Replayed"])
    print("retried", read("transmissions.post_retry", admin, transmission_id=sent.transmission_id).state)


def archive(admin: Any) -> None:
    cursor: str | None = None
    pages = 0
    while True:
        where = {"cursor": cursor} if cursor else {}
        page = read("transmissions.get_history", admin, limit=1, **where)
        for one in page.transmissions:
            detail = read("transmissions.get_transmission", admin, transmission_id=one.transmission_id)
            print("listed", detail.status, len(detail.attempts), detail.payload.total_events)
            message = read("transmissions.get_message", admin, transmission_id=one.transmission_id, number=1)
            print("message", message.verified)
        cursor, pages = page.next_cursor, pages + 1
        if not cursor:
            break
    print("pages", pages)


def rest(admin: Any) -> None:
    read("insight.get_source", admin)
    print("health", read("insight.get_health", admin).status)
    read("transmissions.post_retry_failed", admin)
    call("transmissions.get_export", admin, format_="full")
    call("operations.get_metrics", admin)
    print("fields", len(read("insight.get_dictionary", admin).fields) > 20)
    print("ledger", len(read("ledger.get_ledger", admin, limit=1_000).entries) > 0)
    print("verified", read("ledger.post_verify", admin).verified)
    new = models.TokenInput(name="from-py", scopes=[models.Scope.READ])
    created = read("tokens.post_token", admin, body=new)
    print("tokens", created.token_id in [one.token_id for one in read("tokens.get_tokens", admin).tokens])
    print("revoked", call("tokens.delete_token", admin, token_id=created.token_id).status_code)
    read("operations.get_healthz", admin)
    print("ready", read("operations.get_readyz", admin).ready)


if __name__ == "__main__":
    url, report_token, admin_token = sys.argv[1:]
    administrator = AuthenticatedClient(base_url=url, token=admin_token, timeout=60)
    facts(AuthenticatedClient(base_url=url, token=report_token, timeout=60))
    for part in (settings, settings_again, sending, archive, rest):
        part(administrator)
    print(json.dumps(sorted(CALLED)))
