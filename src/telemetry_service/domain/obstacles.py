"""What keeps telemetry from being sent now, in the words that every interface and every refusal uses.

A switch that is off comes first: nothing may contact the License Server before it is on.
"""

from dataclasses import dataclass, replace

from telemetry_service.domain.changed_rows import ChangedRow, is_or_are, listed
from telemetry_service.domain.errors import (
    BundlesOnlyError,
    CustomerIdMissingError,
    KeyUnusableError,
    LicenseServerMissingError,
    NotConfiguredError,
    RestoredError,
    RowUnreadableError,
    SettingsChangedError,
    TelemetryDisabledError,
    TelemetryError,
)
from telemetry_service.domain.owner import Owner


@dataclass(frozen=True, slots=True)
class Setup:
    """Which parts of the connection are in place."""

    enabled: bool
    """The effective switch: the administrator and the deployment must both allow telemetry."""
    locked: bool
    """Whether the deployment has turned telemetry off permanently."""
    api_key: bool
    api_key_usable: bool
    """False where the stored key cannot be opened with the configured ENCRYPTION_KEY."""
    license_server: bool
    customer_id: bool
    in_bundles: bool = False
    """Whether payloads leave in bundle files only, so that nothing contacts the License Server."""
    restored: bool = False
    """Whether the database is a restored copy, and it is not known yet what was sent since."""
    unreadable: tuple[str, ...] = ()
    """The columns of the one-row tables, and of the open period, that hold what this service never writes."""
    key_locked: bool = False
    """Whether the deployment sets the API key."""
    changed: tuple[ChangedRow, ...] = ()
    """The rows that decide what is sent, and that someone else has changed in the database."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """An obstacle, the step that removes it, and when waiting payloads continue."""

    code: str
    sentence: str
    next_step: str
    owner: Owner
    until: str
    """When waiting payloads continue: ``once an API key is saved``."""
    error: type[TelemetryError]

    @property
    def text(self) -> str:
        """The reason and the step, as shown next to something that cannot be done."""
        return f"{self.sentence} {self.next_step}"

    def refusal(self) -> TelemetryError:
        """Return the error that a refused call gets."""
        return self.error.of(self.text) if issubclass(self.error, RowUnreadableError) else self.error(self.text)


LOCKED_OFF = Obstacle(
    "disabled_by_deployment",
    "The deployment has turned telemetry off (TELEMETRY_ENABLED=false).",
    "To turn it on, change TELEMETRY_ENABLED in the deployment.",
    Owner.DEPLOYMENT,
    "once the deployment turns telemetry on",
    TelemetryDisabledError,
)
OFF = Obstacle(
    "disabled",
    "Telemetry is off; nothing contacts the License Server.",
    "Turn on Enable Telemetry and save.",
    Owner.ADMINISTRATOR,
    "once telemetry is on",
    TelemetryDisabledError,
)
IN_BUNDLES = Obstacle(
    "bundles_only",
    "Nothing contacts the License Server: payloads leave in bundle files (TELEMETRY_DELIVERY=bundle).",
    "Export a bundle, take it to the License Server, and import its receipts.",
    Owner.ADMINISTRATOR,
    "with the next bundle",
    BundlesOnlyError,
)
RESTORED = Obstacle(
    "restored",
    "This database was restored from a backup, so nothing is sent until it is known what was sent since.",
    "Say whether the current period's counts were sent after the backup.",
    Owner.ADMINISTRATOR,
    "once it is known what was sent before the restore",
    RestoredError,
)
SETTINGS_CHANGED = Obstacle(
    "settings_changed",
    "Someone changed the database, so nothing is sent.",
    "Find out who did it. Check the settings, then save them again.",
    Owner.ADMINISTRATOR,
    "once the settings are saved again",
    SettingsChangedError,
)
NO_LICENSE_SERVER = Obstacle(
    "license_server_missing",
    "No License Server is configured.",
    "Set TELEMETRY_LICENSE_SERVER_URL in the deployment.",
    Owner.DEPLOYMENT,
    "once a License Server is configured",
    LicenseServerMissingError,
)
NO_CUSTOMER_ID = Obstacle(
    "customer_id_missing",
    "This installation's customer ID is unknown.",
    "Set TELEMETRY_CUSTOMER_ID in the deployment, or report it with the license.",
    Owner.DEPLOYMENT,
    "once the customer ID is known",
    CustomerIdMissingError,
)
NO_API_KEY = Obstacle(
    "api_key_missing",
    "No API key is configured.",
    "Enter the API key, test the connection, and save.",
    Owner.ADMINISTRATOR,
    "once an API key is saved",
    NotConfiguredError,
)
KEY_UNUSABLE = Obstacle(
    "api_key_unusable",
    "The stored API key cannot be decrypted with this ENCRYPTION_KEY.",
    "Check ENCRYPTION_KEY in the deployment, or enter the API key again.",
    Owner.ADMINISTRATOR,
    "once the API key can be used again",
    KeyUnusableError,
)


def bars_by_rows(setup: Setup) -> Obstacle | None:
    """Return which rows cannot be read, so that nothing can be sent."""
    if not setup.unreadable:
        return None
    return Obstacle(
        "row_unreadable",
        f"The database holds what this service never writes, so nothing is sent: {', '.join(setup.unreadable)}.",
        "Find out who changed the database, and restore the row from a backup. To turn telemetry off meanwhile, turn"
        " off Enable Telemetry and save; this also replaces settings that cannot be read.",
        Owner.DEPLOYMENT,
        "once the row is restored",
        RowUnreadableError,
    )


def bars_everything(setup: Setup) -> Obstacle | None:
    """Return why nothing may contact the License Server."""
    if setup.locked:
        return LOCKED_OFF
    return None if setup.enabled else OFF


def bars_release(setup: Setup) -> Obstacle | None:
    """Return why a payload that waits cannot be released."""
    return bars_everything(setup) or bars_by_database(setup)


def bars_test(setup: Setup) -> Obstacle | None:
    """Return why the connection cannot be tested, not even with an unsaved key."""
    if bars_everything(setup):
        return bars_everything(setup)
    if setup.unreadable:
        return bars_by_rows(setup)
    if setup.in_bundles:
        return IN_BUNDLES
    return None if setup.license_server else NO_LICENSE_SERVER


def bars_attempts(setup: Setup) -> Obstacle | None:
    """Return why a waiting payload cannot be sent over the network."""
    return bars_connection(setup) or bars_by_database(setup)


def bars_connection(setup: Setup) -> Obstacle | None:
    """Return why there is no connection that an exchange could show to work."""
    return bars_test(setup) or _bars_by_key(setup)


def bars_bundles(setup: Setup) -> Obstacle | None:
    """Return why waiting payloads cannot be exported in a bundle."""
    return bars_everything(setup) or bars_by_rows(setup) or _bars_by_key(setup) or bars_by_database(setup)


def bars_payloads(setup: Setup) -> Obstacle | None:
    """Return why the open period cannot become a payload."""
    return bars_everything(setup) or bars_by_rows(setup) or missing(setup) or bars_by_database(setup)


def missing(setup: Setup) -> Obstacle | None:
    """Return the first part of the connection that is not in place, whether telemetry is on or off."""
    if not setup.license_server:
        return NO_LICENSE_SERVER
    if not setup.customer_id:
        return NO_CUSTOMER_ID
    return _bars_by_key(setup)


def bars_by_database(setup: Setup) -> Obstacle | None:
    """Return why the rows of the database do not say what may be sent."""
    if setup.changed:
        return settings_changed(setup)
    return RESTORED if setup.restored else None


def settings_changed(setup: Setup) -> Obstacle:
    """Return the obstacle that rows that decide what is sent are not as the service stored them.

    If the API key cannot be decrypted either, the reason is probably another ENCRYPTION_KEY, and no one is accused.
    """
    rows = setup.changed
    if setup.api_key and not setup.api_key_usable:
        sentence = f"ENCRYPTION_KEY does not verify {listed(rows)}: it is another key, or someone changed the database."
        enter = "restart the service with TELEMETRY_API_KEY" if setup.key_locked else "enter the API key"
        step = f"Check ENCRYPTION_KEY in the deployment. If it is lost, {enter}, check the settings, and save."
        return replace(SETTINGS_CHANGED, sentence=sentence, next_step=step)
    sentence = f"Someone changed the database: {listed(rows)} {is_or_are(rows)} not as the service stored them."
    return replace(SETTINGS_CHANGED, sentence=sentence)


def _bars_by_key(setup: Setup) -> Obstacle | None:
    if not setup.api_key:
        return _no_key(locked=setup.key_locked)
    return None if setup.api_key_usable else _unusable_key(locked=setup.key_locked)


def no_api_key(*, key_locked: bool) -> TelemetryError:
    """Return the refusal of a call that needs an API key."""
    return _no_key(locked=key_locked).refusal()


def api_key_unusable(*, key_locked: bool) -> TelemetryError:
    """Return the refusal of a call that needs the stored API key in plain text."""
    return _unusable_key(locked=key_locked).refusal()


_RESTART = "restart the service: at its start, it saves the key that TELEMETRY_API_KEY sets."


def _no_key(*, locked: bool) -> Obstacle:
    if not locked:
        return NO_API_KEY
    until = "once the service has saved the deployment's API key"
    return replace(NO_API_KEY, next_step=f"R{_RESTART[1:]}", owner=Owner.DEPLOYMENT, until=until)


def _unusable_key(*, locked: bool) -> Obstacle:
    if not locked:
        return KEY_UNUSABLE
    step = f"Check ENCRYPTION_KEY in the deployment. If it is lost, {_RESTART}"
    return replace(KEY_UNUSABLE, next_step=step, owner=Owner.DEPLOYMENT)
