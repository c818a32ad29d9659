"""``telemetry-service rotate-keys``."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from telemetry_service.cli.exit_codes import ExitCode
from telemetry_service.cli.key_texts import credentials_text, sealed_text
from telemetry_service.cli.open_service import command_actor, opened_service
from telemetry_service.cli.output import AsJson, say, say_json

if TYPE_CHECKING:
    from collections import Counter

    from telemetry_service.domain.sealed_kind import SealedKind
    from telemetry_service.pipeline.actions.rotate_keys import RotatedKeys


def rotate_keys(*, as_json: AsJson = False) -> None:
    """Seal everything under the newest ENCRYPTION_KEY. Safe to repeat, and while replicas run.

    Sessions and service tokens follow CREDENTIAL_ENCRYPTION_KEY at their next use; the output says how many are left.
    Exits with 3 if something cannot be decrypted with any key of the list. It stays as it is.
    """
    with opened_service() as service:
        from telemetry_service.pipeline.actions.rotate_keys import rotate_keys as rotate
        from telemetry_service.pipeline.sealed_values import running_key_lists

        rotated = rotate(service.runtime, command_actor())
        with service.runtime.database.read() as tx:
            credentials = service.authentication.key_use(tx, service.runtime.clock.now())
            running = running_key_lists(service.runtime, tx)
    if as_json:
        say_json({**_as_json(rotated), "credentials": asdict(credentials)})
    else:
        for kind, number in rotated.sealed_again.items():
            say(f"Sealed again: {number} ({kind.value})")
        if rotated.ledger_key_renewed:
            say("A new key signs the ledger from here on; the old one announced it.")
        say(sealed_text(rotated.counts, service.runtime.keys.ids, running))
        say(credentials_text(credentials))
    if rotated.counts.unreadable:
        raise typer.Exit(ExitCode.SETTINGS)


def _as_json(rotated: "RotatedKeys") -> dict[str, object]:
    counts = rotated.counts
    return {
        "sealed_again": _by_name(rotated.sealed_again),
        "ledger_key_renewed": rotated.ledger_key_renewed,
        "newest": _by_name(counts.newest),
        "older": _by_name(counts.older),
        "unbound": _by_name(counts.unbound),
        "unreadable": _by_name(counts.unreadable),
    }


def _by_name(counts: "Counter[SealedKind]") -> dict[str, int]:
    return {kind.name.lower(): number for kind, number in counts.items() if number}
