"""Whether the Control Plane's own database can be read, and how far it was."""

from typing import TYPE_CHECKING

from telemetry_service.cli.doctor.finding import Finding, Result, wrong
from telemetry_service.cli.exit_codes import ExitCode
from telemetry_service.domain.source_texts import NOT_READ
from telemetry_service.pipeline.queries.source import read_source
from telemetry_service.pipeline.snapshot import read_now
from telemetry_service.pipeline.stages.source.check import check_source

if TYPE_CHECKING:
    from telemetry_service.cli.doctor.subject import Subject


def source(subject: "Subject") -> Finding:
    """Return what a look at the source finds. Nothing is counted."""
    runtime = subject.service.runtime
    if not runtime.deployment.source_database:
        return Finding("source", Result.SKIPPED, "No source database is configured (TELEMETRY_SOURCE_DATABASE_URL).")
    report, view = check_source(runtime), read_now(runtime, read_source)
    if report.error is not None:
        return wrong("source", f"{report.error.text} ({report.error.code})", ExitCode.STORAGE)
    if report.warnings:
        return Finding("source", Result.WARNING, " ".join(report.warnings))
    behind = view.obstacle is not None or view.note == NOT_READ
    return Finding("source", Result.WARNING if behind else Result.OK, view.note)
