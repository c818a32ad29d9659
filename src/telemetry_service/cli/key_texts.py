"""What the doctor and ``rotate-keys`` say about the keys that stored values depend on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from telemetry_service.domain.phrases import counted, to_the_minute
from telemetry_service.domain.sealed_kind import UNREADABLE

if TYPE_CHECKING:
    from collections import Counter

    from telemetry_service.domain.configuration import OldApiKeyFact
    from telemetry_service.domain.keyed_digest import KeyUse
    from telemetry_service.domain.sealed_kind import SealedKind
    from telemetry_service.pipeline.sealed_values import SealedCounts


def sealed_text(counts: "SealedCounts", key_ids: Sequence[bytes], running: Sequence[str]) -> str:
    """Return what is sealed under which key of ENCRYPTION_KEY, and what to do.

    ``key_ids`` are those of the list, newest first; ``running`` are the lists of the running processes, in hex.
    """
    said = [f"{UNREADABLE[kind]} ({number})" for kind, number in counts.unreadable.items() if number]
    if counts.older:
        said.append(f"Still under an older ENCRYPTION_KEY: {_named(counts.older)}. Run: telemetry-service rotate-keys")
    elif not said:
        said.append("Everything is sealed under the newest ENCRYPTION_KEY.")
        if len(key_ids) > 1:
            said.append(_when_to_drop(key_ids[0].hex(), running))
    if counts.unbound:
        said.append(f"Not bound to this installation: {_named(counts.unbound)}. The next start does it.")
    return " ".join(said)


def _when_to_drop(newest: str, running: Sequence[str]) -> str:
    behind = sum(not keys.startswith(newest) for keys in running)
    if not behind:
        return "The older keys can be removed now."
    replicas = counted(behind, "running replica puts", "running replicas put")
    return (
        f"Keep the older keys: {replicas} another one first. Restart with the newest first, and run rotate-keys again."
    )


def credentials_text(use: "KeyUse") -> str:
    """Return what depends on which key of CREDENTIAL_ENCRYPTION_KEY."""
    if use.lost:
        lost = counted(use.lost, "session or service token", "sessions and service tokens")
        return (
            f"Under a CREDENTIAL_ENCRYPTION_KEY that is not in the list: {lost}. Put that key back, or log in again and"
            " create new tokens."
        )
    if not use.older:
        return "No session or service token depends on an older CREDENTIAL_ENCRYPTION_KEY."
    older = ", ".join(f"{number} {name}" for name, number in use.older.items() if number)
    return (
        f"Still depending on an older CREDENTIAL_ENCRYPTION_KEY: {older}. Each follows at its next use; sessions end"
        " within 12 hours. Keep the older key until none is left, or replace those tokens, which token list names."
    )


def old_api_key_text(old: "OldApiKeyFact | None") -> str:
    """Return whether the API key before the present one is still tried."""
    if old is None:
        return "Only the present API key is used."
    return (
        f"The old API key, which ends in {old.hint}, is tried where the License Server does not accept the new one yet,"
        f" until {to_the_minute(old.until)}."
    )


def _named(counts: "Counter[SealedKind]") -> str:
    return ", ".join(f"{number} ({kind.value})" for kind, number in counts.items() if number)
