"""Whether payloads are delivered, or wait for a person."""

from typing import TYPE_CHECKING

from telemetry_service.cli.doctor.finding import Finding, Result, wrong
from telemetry_service.cli.exit_codes import ExitCode
from telemetry_service.domain.health_texts import NOT_AS_SIGNED, NOT_DELIVERED
from telemetry_service.domain.owner import Owner
from telemetry_service.domain.payload import HealthStatus
from telemetry_service.pipeline.queries.health import read_health
from telemetry_service.pipeline.snapshot import read_now

if TYPE_CHECKING:
    from telemetry_service.cli.doctor.subject import Subject


def health(subject: "Subject") -> Finding:
    """Return what the health page says, and what kind of thing is wrong."""
    report = read_now(subject.service.runtime, read_health)
    found = report.health
    sentence = " ".join(part for part in (found.cause, found.next_step, report.verdict.run_note) if part)
    if found.owner is Owner.NOBODY and found.status in {HealthStatus.HEALTHY, HealthStatus.WARNING}:
        return Finding("health", Result.OK, sentence)
    if found.code == "api_key_unusable":
        return wrong("health", sentence, ExitCode.SETTINGS)
    if found.code in NOT_AS_SIGNED:
        return wrong("health", sentence, ExitCode.NOT_VERIFIED)
    if found.code in NOT_DELIVERED:
        return wrong("health", sentence, ExitCode.NOT_DELIVERED)
    return Finding("health", Result.WARNING, sentence)
