"""``telemetry-service erase`` and ``instance-id reset``."""

from typing import Annotated

import typer

from telemetry_service.cli.confirmation import confirm
from telemetry_service.cli.open_service import command_actor, opened_service
from telemetry_service.cli.output import say

All = Annotated[
    bool,
    typer.Option(
        "--all", help="Erase transmissions, counts, extension codes, sessions, and who the ledger's entries are about."
    ),
]
Persons = Annotated[
    bool, typer.Option("--persons", help="Erase only who the ledger's entries are about, with addresses and codes.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]

_ALL = (
    "This erases every transmission with its evidence, all counts, the extension codes, all browser sessions, and who"
    " the ledger's entries are about. Transmissions that wait are never sent. The ledger's entries, the settings, the"
    " tokens, the registry of bouncers, and the license posture stay."
)
_PERSONS = "This erases who the ledger's entries are about: persons, addresses, customers, and extension codes."
_RESET = (
    "This gives the installation a new ID. Control Core can no longer tell that later transmissions come from the same"
    " installation, except by the API key. Waiting transmissions keep the old ID."
)


def erase(*, all_: All = False, persons: Persons = False, yes: Yes = False) -> None:
    """Erase stored data. It cannot be undone, and backups are not affected.

    Entries of the ledger stay, and remain verifiable. Nothing is erased at Control Core.
    """
    if all_ == persons:
        message = "Choose one of --all and --persons."
        raise typer.BadParameter(message)
    confirm(_ALL if all_ else _PERSONS, yes=yes)
    with opened_service() as service:
        from telemetry_service.pipeline.actions.erase import erase_everything, erase_persons

        if persons:
            say(f"Erased {erase_persons(service.runtime, command_actor())} values.")
            return
        erased = erase_everything(service.runtime, command_actor())
    say(
        f"Erased {erased.transmissions} transmissions ({erased.waiting} of them not accepted), {erased.extension_codes}"
        f" extension codes, and {erased.salted_values} values. Erase your backups too."
    )


def reset_instance_id(*, yes: Yes = False) -> None:
    """Give the installation a new random ID. Later transmissions are not linked to earlier ones by it."""
    confirm(_RESET, yes=yes)
    with opened_service() as service:
        from telemetry_service.pipeline.actions.erase import reset_instance_id as reset

        say(str(reset(service.runtime, command_actor())))
