"""Reports what the ledger proves now: the sweep's verification in words, with what it could not check."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from telemetry_service.domain.errors import StorageUnavailableError
from telemetry_service.domain.phrases import counted
from telemetry_service.domain.verification import Problem as Found
from telemetry_service.domain.verification import Verification
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.stages.sweep import Examined, examine_now, purged_in
from telemetry_service.pipeline.stages.sweep_lines import KEY_LOST
from telemetry_service.storage.ledger import Head

_ANCHORS = "anchors met"
_STOPPING = "The service is stopping, so the verification was not completed."
_NO_ANCHOR = (
    "Not checked: whether the latest entries are missing, as after a truncation or in an old backup. That cannot be"
    " found without an anchor: the digest of an entry that was kept elsewhere."
)
_NO_PINNED_KEY = "Not checked: the signatures of receipts, because no public key of the License Server is pinned."
_PURGED = "Not checked: evidence that was purged or erased. It is named {}; its digests stay in the ledger."
_MIGRATED = "Not checked: what an earlier version left. It is taken over in {}, which prove nothing."
_ENCRYPTED = "Not checked: what encrypted bodies contain, because that takes the API key."


@dataclass(frozen=True, slots=True)
class LedgerProblem:
    """What is wrong, or could not be proved, and where."""

    seq: int | None
    """The entry."""
    code: str
    """Stable."""
    sentence: str
    transmission_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class LedgerReport:
    """What a verification of everything found."""

    checked_at: datetime
    head: Head | None
    """The last entry that is right; None if there is none."""
    problems: tuple[LedgerProblem, ...]
    notes: tuple[LedgerProblem, ...]
    """What could not be proved, and is no proof of a change either."""
    checked: Mapping[str, int]
    """How much was checked, by its name."""
    not_checked: tuple[str, ...]
    """What was not checked, and why, in sentences."""

    @property
    def verified(self) -> bool:
        """Whether everything that was checked is as it was signed."""
        return not self.problems


def check_ledger(runtime: Runtime, anchors: Sequence[str] = (), *, keep: bool = False) -> LedgerReport:
    """Verify everything now. ``anchors`` (``HASH`` or ``SEQ:HASH``) are of entries that must be there.

    ``keep`` stores the verdict, as the sweep does, unless there are anchors.

    Raises:
        StorageUnavailableError: the process stops meanwhile.
        ValueError: an anchor has another form.
    """
    examined = examine_now(runtime, anchors, keep=keep)
    if examined is None:
        raise StorageUnavailableError(_STOPPING)
    verdict, counts = examined.verdict, _without_own_anchors(examined.report.counts, len(set(anchors)))
    return LedgerReport(
        checked_at=verdict.at,
        head=Head(verdict.seq, verdict.sha256) if verdict.seq else None,
        problems=tuple(_problems(examined)),
        notes=(*(LedgerProblem(*note) for note in examined.report.notes), *_without_receipt(verdict)),
        checked={name: count for name, count in sorted(counts.items()) if count},
        not_checked=tuple(_not_checked(counts, anchors=bool(anchors), pinned=runtime.receipt_keys is not None)),
    )


def _without_own_anchors(counts: Mapping[str, int], given: int) -> dict[str, int]:
    """Return the counts; of the anchors only those that were given: the service adds what it has verified itself."""
    return {name: min(count, given) if name == _ANCHORS else count for name, count in counts.items()}


def in_words(found: Found) -> LedgerProblem:
    """Return a problem of a stored verdict."""
    return LedgerProblem(found.seq, found.code, found.sentence, found.transmission_id)


def _problems(examined: Examined) -> Iterator[LedgerProblem]:
    """Yield all problems, in the verifier's words where it has found them."""
    said = {(problem.code, problem.seq): problem.sentence for problem in examined.report.problems}
    for found in examined.verdict.problems:
        known = said.get((found.code, found.seq)) if found.transmission_id is None else None
        yield LedgerProblem(found.seq, found.code, known or found.sentence, found.transmission_id)
    # A lost key is its own state of the health, but what it signed is not proved either.
    yield from (LedgerProblem(*problem) for problem in examined.report.problems if problem.code == KEY_LOST)


def _without_receipt(verdict: Verification) -> Iterator[LedgerProblem]:
    for transmission_id in verdict.unverified:
        text = f"Transmission {transmission_id} was accepted without a valid receipt."
        yield LedgerProblem(None, "receipt_missing", text, transmission_id)


def _not_checked(counts: Mapping[str, int], *, anchors: bool, pinned: bool) -> Iterator[str]:
    if not anchors:
        yield _NO_ANCHOR
    if not pinned:
        yield _NO_PINNED_KEY
    if purged := purged_in(counts):
        yield _PURGED.format(counted(purged, "time"))
    if migrated := counts.get("migrated"):
        yield _MIGRATED.format(counted(migrated, "entry", "entries"))
    yield _ENCRYPTED
