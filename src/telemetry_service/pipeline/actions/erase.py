"""Erases what is stored here: everything that was counted and sent, or only who the ledger's entries are about.

The ledger's lines stay, so that they can still be verified: they hold digests and settings. The entry of the erasure
itself is the only one whose actor is still known.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from telemetry_service.domain.actor import Actor
from telemetry_service.domain.errors import AttemptUnderWayError
from telemetry_service.domain.ledger import Kind, Value
from telemetry_service.pipeline.changed_rows import distrust_older
from telemetry_service.pipeline.runtime import Runtime
from telemetry_service.pipeline.stages.note_counted import note_all_counted
from telemetry_service.pipeline.stages.purge import delete_before, free_space

_EVERYTHING = datetime(9999, 1, 1, tzinfo=UTC)
"""All that is finished is older than this."""


@dataclass(frozen=True, slots=True)
class Erased:
    """How many of each were erased."""

    transmissions: int
    waiting: int
    """Of these, the ones that were not accepted, and are never sent."""
    extension_codes: int
    salted_values: int


def erase_everything(runtime: Runtime, actor: Actor) -> Erased:
    """Erase transmissions, counts, report IDs, codes, sessions, and who the entries are about.

    Waiting payloads are never sent. Finished rows are deleted in the steps of the purge; if the process ends before
    the last one, the next erasure or purge continues.

    Raises:
        AttemptUnderWayError: a transmission is being sent right now; nothing was erased.
        ErasureNotKeptError: the database did not delete all of it.
    """
    note_all_counted(runtime)
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        period = tx.periods.lock_open()
        tx.erasure.overwrite()
        transmissions = tx.erasure.transmissions()
        waiting = tx.erasure.waiting(now)
        if waiting is None:
            raise AttemptUnderWayError
        tx.erasure.open_period(period.period_id, now)
        codes, persons = tx.erasure.extension_codes(), tx.erasure.persons()
        tx.identity.remove_all_sessions()
        said: dict[str, Value] = {
            "of": "all",
            "transmissions": transmissions,
            "waiting": waiting,
            "extension_codes": codes,
        }
        tx.ledger.note(now, actor, Kind.ERASED, said)
    delete_before(runtime, _EVERYTHING)
    if not runtime.stopping.is_set():
        with runtime.database.write() as tx:
            tx.erasure.overwrite()
            tx.erasure.rest(now)
    free_space(runtime)
    return Erased(transmissions, waiting, codes, persons)


def erase_persons(runtime: Runtime, actor: Actor) -> int:
    """Erase who the ledger's entries are about: persons, addresses, customers and codes; return how many values."""
    note_all_counted(runtime)
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        tx.erasure.overwrite()
        persons = tx.erasure.persons()
        tx.ledger.note(now, actor, Kind.ERASED, {"of": "persons", "salted_values": persons})
    free_space(runtime)
    return persons


def reset_instance_id(runtime: Runtime, actor: Actor) -> UUID:
    """Give the installation a new random ID, and return it; payloads that wait keep the old one."""
    now = runtime.clock.now()
    with runtime.database.write() as tx:
        distrust_older(runtime, tx)
        instance_id = tx.installation.reset_instance_id()
        tx.ledger.note(now, actor, Kind.INSTANCE_ID_RESET)
    return instance_id
