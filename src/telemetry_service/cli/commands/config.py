"""``telemetry-service config``: shows the settings, and changes them for a script."""

from typing import TYPE_CHECKING, Annotated

import typer

from telemetry_service.cli.confirmation import confirm
from telemetry_service.cli.open_service import command_actor, opened_service
from telemetry_service.cli.output import AsJson, say, say_as, say_json, say_table
from telemetry_service.domain.locks import VARIABLES, Setting

if TYPE_CHECKING:
    from telemetry_service.domain.configuration import ConfigurationPatch
    from telemetry_service.pipeline.queries.configuration import ConfigurationView

_NAMES = tuple(setting for setting in Setting if setting is not Setting.API_KEY)

Name = Annotated[str | None, typer.Argument(metavar="[NAME]", help="Print only the value of this setting.")]
Changes = Annotated[list[str], typer.Argument(metavar="NAME=VALUE...", help="Such as frequency=weekly.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation, even if data is lost.")]


def get_config(name: Name = None, *, as_json: AsJson = False) -> None:
    """Show the settings, and which of them the deployment sets."""
    setting = None if name is None else _setting(name)
    with opened_service() as service:
        from telemetry_service.pipeline.queries.configuration import read_configuration
        from telemetry_service.pipeline.snapshot import read_now

        view = read_now(service.runtime, read_configuration)
    if as_json:
        from telemetry_service.schemas.configuration import ConfigurationResponse

        say_as(ConfigurationResponse, view)
    elif setting is not None:
        say(_text(view, setting))
    else:
        say_table(("NAME", "VALUE", "LOCKED BY"), (_row(view, setting) for setting in Setting))


def set_config(changes: Changes, *, yes: Yes = False, as_json: AsJson = False) -> None:
    """Change settings. The running service follows at once; values that are saved already change nothing.

    Asks first if data would be lost: turning telemetry off with counts that were not sent, or a shorter retention.
    """
    wanted = _patch(changes)
    with opened_service() as service:
        from telemetry_service.pipeline.actions.configure import any_version, save_configuration, try_save
        from telemetry_service.pipeline.snapshot import read_now

        found = read_now(service.runtime, try_save, wanted, any_version)
        if found.sentences:
            confirm(" ".join(found.sentences), yes=yes)
        if found.changes:
            save_configuration(service.runtime, wanted, any_version, command_actor())
    if as_json:
        say_json({"changed": found.changes})
        return
    say(f"Changed: {', '.join(found.changes)}." if found.changes else "The settings are unchanged.")


def _patch(changes: list[str]) -> "ConfigurationPatch":
    from telemetry_service.configured_settings import PARSERS
    from telemetry_service.domain.configuration import ConfigurationPatch
    from telemetry_service.setting_parsers import RefusedValueError

    found: dict[str, object] = {}
    for change in changes:
        name, _, text = change.partition("=")
        setting = _setting(name)
        if setting.value in found:
            message = f"{setting.value} is given twice."
            raise typer.BadParameter(message)
        try:
            found[setting.value] = PARSERS[setting](text)
        except RefusedValueError as refusal:
            message = f"{setting.value} {refusal}"
            raise typer.BadParameter(message) from None
    return ConfigurationPatch.model_validate(found)


def _setting(name: str) -> Setting:
    if name not in _NAMES:
        message = f"The settings are {', '.join(_NAMES)}. For the API key, use: api-key set."
        raise typer.BadParameter(message)
    return Setting(name)


def _row(view: "ConfigurationView", setting: Setting) -> tuple[str, str, str | None]:
    return setting.value, _text(view, setting), VARIABLES[setting] if setting in view.locked else None


def _text(view: "ConfigurationView", setting: Setting) -> str:
    if setting is Setting.API_KEY:
        return f"ends in {view.api_key.hint}" if view.api_key.configured else "none"
    value = getattr(view.values, setting.value)
    return str(value).lower()
