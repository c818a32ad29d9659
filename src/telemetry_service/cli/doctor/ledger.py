"""The ledger, and all rows that it is about."""

from typing import TYPE_CHECKING

from telemetry_service.cli.doctor.finding import Finding, Result, wrong
from telemetry_service.cli.exit_codes import ExitCode
from telemetry_service.domain.health_texts import LEDGER_KEY_LOST, receipts_unverified
from telemetry_service.domain.phrases import counted
from telemetry_service.domain.verification import is_key_lost
from telemetry_service.pipeline.stages.sweep import examine_everything

if TYPE_CHECKING:
    from telemetry_service.cli.doctor.subject import Subject
    from telemetry_service.domain.verification import Verification

_NAMED = 5


def ledger(subject: "Subject") -> Finding:
    """Verify everything, whatever the last sweep has found."""
    runtime = subject.service.runtime
    found = examine_everything(runtime)
    assert found is not None  # noqa: S101 - no one stops a command's runtime
    if found.problems:
        first = " ".join(problem.sentence for problem in found.problems[:_NAMED])
        sentence = f"{counted(len(found.problems), 'problem')} in the ledger or in the rows that it is about. {first}"
        return wrong("ledger", sentence, ExitCode.NOT_VERIFIED)
    result, sentence = _without_problems(found, runtime.deployment.ledger_fingerprint)
    present = found.key_fingerprints[-1] if found.key_fingerprints else "unknown"
    return Finding("ledger", result, f"{sentence} The fingerprint of the ledger key is {present}.")


def _without_problems(found: "Verification", trusted: str | None) -> tuple[Result, str]:
    if is_key_lost(found, trusted):
        return Result.WARNING, f"{LEDGER_KEY_LOST.cause} {LEDGER_KEY_LOST.next_step}"
    if found.unverified:
        lacking = receipts_unverified(len(found.unverified))
        return Result.WARNING, f"{lacking.cause} {lacking.next_step}"
    entries, digests = counted(found.seq, "entry", "entries"), counted(found.evidence_checked, "digest")
    return Result.OK, f"Verified: {entries} and {digests}; the evidence of {found.evidence_purged} more was purged."
