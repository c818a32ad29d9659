"""Reads the deployment's settings from the environment and from ``NAME_FILE`` into one frozen ``Settings``.

All problems are reported at once, by variable and never with the value. Nothing else in the service reads the
environment, and only ``service.py`` and the command line read the ``Settings``. An empty variable counts as not set,
because that is how Compose and Kubernetes pass "nothing".
"""

import difflib
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias, TypeVar

from pydantic import SecretBytes, SecretStr

from telemetry_service import __version__, configured_settings, identity_settings
from telemetry_service import setting_parsers as values
from telemetry_service.configured_settings import read_configured
from telemetry_service.domain.configuration import DEFAULT_LEDGER_RETENTION, DEFAULT_MAX_BOUNCERS, Delivery
from telemetry_service.domain.configured import Configured
from telemetry_service.domain.errors import SettingsError
from telemetry_service.domain.issuers import Doors
from telemetry_service.domain.plain_text import first_text_of, invisible_error
from telemetry_service.domain.public_url import PublicUrl
from telemetry_service.domain.release import NOTICE, Release, ReleasePolicy
from telemetry_service.identity_settings import read_doors
from telemetry_service.log.options import LogFormat, LogLevel

T = TypeVar("T")
Keys: TypeAlias = tuple[SecretBytes, ...]

DEFAULT_DATABASE_URL = "sqlite:///data/telemetry.db"
DEFAULT_METRICS_ADDRESS = "127.0.0.1"
DEFAULT_SEND_SPREAD = timedelta(seconds=300)
FILE_BYTES_MAXIMUM = 64 * 1024
"""No secret is larger, and a path such as /dev/zero must not exhaust the memory."""

_PREFIX = "TELEMETRY_"
_SECRETS = frozenset(
    {
        "ENCRYPTION_KEY",
        "CREDENTIAL_ENCRYPTION_KEY",
        "TELEMETRY_DATABASE_URL",
        "TELEMETRY_LICENSE_SERVER_URL",
        "TELEMETRY_LICENSE_SERVER_PUBLIC_KEY",
        "TELEMETRY_PROXY_URL",
        "TELEMETRY_SOURCE_DATABASE_URL",
        "TELEMETRY_ADMIN_PASSWORD",
        "TELEMETRY_BOOTSTRAP_TOKEN",
    }
    | identity_settings.SECRETS
    | configured_settings.SECRETS
)

FILES = _SECRETS | {"TELEMETRY_LOG_LEVEL"}
"""Settings that may also come from the file that ``NAME_FILE`` names. The log level can be changed while it runs."""

_LISTS_AND_BLOCKS = frozenset({"ENCRYPTION_KEY", "CREDENTIAL_ENCRYPTION_KEY", "TELEMETRY_LICENSE_SERVER_PUBLIC_KEY"})
"""Settings that may span lines: spaces and line ends around their parts are ignored."""

_PLAIN = frozenset(
    {
        "DEMO_MODE",
        "TELEMETRY_CONSOLE_URL",
        "TELEMETRY_LEDGER_HEAD_FILE",
        "TELEMETRY_LICENSE_SERVER_CA_FILE",
        "TELEMETRY_CUSTOMER_ID",
        "TELEMETRY_DELIVERY",
        "TELEMETRY_DEPLOYMENT_VERSION",
        "TELEMETRY_ENABLED",
        "TELEMETRY_EXTENSION_CODE_PATTERN",
        "TELEMETRY_FRAME_ANCESTORS",
        "TELEMETRY_HSTS_SUBDOMAINS",
        "TELEMETRY_LEDGER_FINGERPRINT",
        "TELEMETRY_LEDGER_RETENTION_DAYS",
        "TELEMETRY_MAX_BOUNCERS",
        "TELEMETRY_METRICS_ADDRESS",
        "TELEMETRY_METRICS_PORT",
        "TELEMETRY_NEW_FIELD_NOTICE_HOURS",
        "TELEMETRY_PUBLIC_URL",
        "TELEMETRY_RELEASE",
        "TELEMETRY_REQUIRE_FIELD_APPROVAL",
        "TELEMETRY_REQUIRE_RECEIPT",
        "TELEMETRY_SEND_SPREAD_SECONDS",
        "TELEMETRY_TRUSTED_PROXIES",
        "TELEMETRY_LOG_FORMAT",
        "TELEMETRY_LOG_LEVEL",
    }
    | identity_settings.PLAIN
    | configured_settings.PLAIN
)
_OF_THE_TESTS = frozenset({"TELEMETRY_TEST_DATABASE_URL"})
"""Used only by the test suite; a developer's shell may contain it while the service runs."""

KNOWN_VARIABLES = _PLAIN | _SECRETS | {f"{name}_FILE" for name in FILES}

_ALIKE = 0.85
"""How similar a mistyped name must be to the intended one, between 0 and 1: one letter in seven may differ."""

_KUBERNETES_LINK = re.compile(r".*_(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_.+)?)?)")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the deployment decides. Its ``repr`` shows no secret and does not name the License Server."""

    encryption_keys: Keys
    """Newest first, 32 bytes each: protect secrets for the License Server."""
    credential_encryption_keys: Keys
    """Newest first, 32 bytes each: protect sessions and tokens."""
    ephemeral_keys: bool
    """True if the demo mode generated the keys, which are lost when the process ends."""
    demo_mode: bool
    database_url: SecretStr
    """As SQLAlchemy takes it: ``sqlite:///…`` or ``postgresql+psycopg://…``."""
    source_database_url: SecretStr | None
    """The Control Plane's own database, as SQLAlchemy takes it; None where usage is only reported."""
    license_server_url: SecretStr | None
    """The base URL without a trailing slash; None while the License Server is not configured."""
    ledger_head_file: Path | None
    """Where the head of the ledger is kept; None for beside the SQLite database, and nowhere for PostgreSQL."""
    license_server_ca_file: Path | None
    license_server_public_key: str | None
    """The text of the pinned Ed25519 key: PEM, or its 32 bytes in URL-safe base64."""
    proxy_url: SecretStr | None
    customer_id: str | None
    delivery: Delivery
    """Online over the network, or in bundle files that a person carries."""
    deployment_version: str
    telemetry_enabled: bool
    """False where the deployment turned telemetry off permanently."""
    admin_password: SecretStr | None
    """Used at the first start only."""
    bootstrap_token: SecretStr | None
    """A service token with the scope ``admin`` that is valid as long as it is set."""
    send_spread: timedelta
    trusted_proxies: tuple[str, ...]
    """Addresses and networks of reverse proxies whose ``X-Forwarded-*`` headers are trusted."""
    public_url: PublicUrl | None
    """Where browsers reach the service; None if the deployment does not say."""
    console_url: PublicUrl | None
    """Where the console is that the breadcrumbs lead to; None if they lead to the tab."""
    frame_ancestors: tuple[str, ...]
    """Other origins whose pages may show the tab in a frame."""
    hsts_subdomains: bool
    metrics_address: str
    """The address of the port for the metrics."""
    metrics_port: int | None
    """None if the metrics have no separate port."""
    log_format: LogFormat | None
    """None chooses by what stderr is."""
    log_level: LogLevel
    extension_code_pattern: str | None
    """A regular expression that an extension code must match as a whole."""
    release: ReleasePolicy
    require_receipt: bool
    """True where a payload counts as accepted only with a valid receipt; needs a pinned key."""
    max_bouncers: int
    """Distinct bouncers in one period, and in the registry."""
    ledger_fingerprint: str | None
    """The hex SHA-256 digest of the ledger's public key that the deployment trusts."""
    ledger_retention: timedelta
    """How long entries of the ledger are kept."""
    doors: Doors
    """How people log in."""
    configured: Configured
    """What the deployment sets in the place of an administrator."""


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings in ``environ`` and in the files that it names.

    Raises:
        SettingsError: one sentence for each problem, with the variable and never its value.
    """
    source = _Source(environ)
    demo_mode = source.read("DEMO_MODE", values.boolean, default=False)
    encryption: Keys = source.read("ENCRYPTION_KEY", values.key_list, ())
    credential: Keys = source.read("CREDENTIAL_ENCRYPTION_KEY", values.key_list, ())
    source.check_keys(encryption, credential, demo_mode=demo_mode)
    settings = Settings(
        encryption_keys=encryption or _temporary_key(),
        credential_encryption_keys=credential or _temporary_key(),
        ephemeral_keys=not (encryption and credential),
        demo_mode=demo_mode,
        database_url=source.read("TELEMETRY_DATABASE_URL", values.database_url, SecretStr(DEFAULT_DATABASE_URL)),
        source_database_url=source.read("TELEMETRY_SOURCE_DATABASE_URL", values.database_url, None),
        license_server_url=source.read("TELEMETRY_LICENSE_SERVER_URL", values.license_server_url, None),
        ledger_head_file=source.read("TELEMETRY_LEDGER_HEAD_FILE", values.file_path, None),
        license_server_ca_file=source.read("TELEMETRY_LICENSE_SERVER_CA_FILE", values.certificate_file, None),
        license_server_public_key=source.read("TELEMETRY_LICENSE_SERVER_PUBLIC_KEY", values.public_keys, None),
        proxy_url=source.read("TELEMETRY_PROXY_URL", values.proxy_url, None),
        customer_id=source.read("TELEMETRY_CUSTOMER_ID", values.customer_id, None),
        delivery=source.read("TELEMETRY_DELIVERY", values.delivery, Delivery.ONLINE),
        deployment_version=source.read("TELEMETRY_DEPLOYMENT_VERSION", values.deployment_version, __version__),
        telemetry_enabled=source.read("TELEMETRY_ENABLED", values.boolean, default=True),
        admin_password=source.read("TELEMETRY_ADMIN_PASSWORD", values.password, None),
        bootstrap_token=source.read("TELEMETRY_BOOTSTRAP_TOKEN", values.bootstrap_token, None),
        extension_code_pattern=source.read("TELEMETRY_EXTENSION_CODE_PATTERN", values.code_pattern, None),
        release=ReleasePolicy(
            release=source.read("TELEMETRY_RELEASE", values.release, Release.AUTOMATIC),
            notice=source.read("TELEMETRY_NEW_FIELD_NOTICE_HOURS", values.notice, NOTICE),
            approve_fields=source.read("TELEMETRY_REQUIRE_FIELD_APPROVAL", values.boolean, default=False),
        ),
        require_receipt=source.read("TELEMETRY_REQUIRE_RECEIPT", values.boolean, default=False),
        max_bouncers=source.read("TELEMETRY_MAX_BOUNCERS", values.max_bouncers, DEFAULT_MAX_BOUNCERS),
        ledger_fingerprint=source.read("TELEMETRY_LEDGER_FINGERPRINT", values.fingerprint, None),
        ledger_retention=source.read(
            "TELEMETRY_LEDGER_RETENTION_DAYS", values.ledger_retention, DEFAULT_LEDGER_RETENTION
        ),
        send_spread=source.read("TELEMETRY_SEND_SPREAD_SECONDS", values.spread, DEFAULT_SEND_SPREAD),
        trusted_proxies=source.read("TELEMETRY_TRUSTED_PROXIES", values.trusted_proxies, ()),
        public_url=source.read("TELEMETRY_PUBLIC_URL", values.public_url, None),
        console_url=source.read("TELEMETRY_CONSOLE_URL", values.console_url, None),
        frame_ancestors=source.read("TELEMETRY_FRAME_ANCESTORS", values.frame_ancestors, ()),
        metrics_address=source.read("TELEMETRY_METRICS_ADDRESS", values.ip_address_text, DEFAULT_METRICS_ADDRESS),
        metrics_port=source.read("TELEMETRY_METRICS_PORT", values.port, None),
        hsts_subdomains=source.read("TELEMETRY_HSTS_SUBDOMAINS", values.boolean, default=False),
        log_format=source.read("TELEMETRY_LOG_FORMAT", values.log_format, None),
        log_level=source.read("TELEMETRY_LOG_LEVEL", values.log_level, LogLevel.INFO),
        doors=read_doors(source),
        configured=read_configured(source),
    )
    source.check_receipts(settings)
    source.check_hsts(settings)
    source.check_names()
    if source.problems:
        raise SettingsError(tuple(source.problems))
    return settings


def database_url_of(text: str) -> str:
    """Return the URL of a database as ``Settings`` has it.

    Raises:
        SettingsError: it is not one; the sentence does not contain it.
    """
    try:
        return values.database_url(text).get_secret_value()
    except values.RefusedValueError as refusal:
        raise SettingsError((str(refusal),)) from None


class _Source:
    """Reads one variable at a time and collects a sentence for each problem."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def read(self, name: str, parse: Callable[[str], T], default: T) -> T:
        """Return the parsed variable, or ``default`` if it is not set or wrong."""
        given, text = self._text(name)
        if not text:
            return default
        try:
            if name not in _LISTS_AND_BLOCKS and (problem := invisible_error(text)) is not None:
                raise values.RefusedValueError(problem)  # noqa: TRY301 - both become the one problem below
            return parse(text)
        except values.RefusedValueError as refusal:
            self.problems.append(f"{given} {refusal}")
            return default

    def is_set(self, name: str) -> bool:
        """Whether the variable, or the one that names its file, is set."""
        return bool(self._environ.get(name) or (name in FILES and self._environ.get(f"{name}_FILE")))

    def check_keys(self, encryption: Keys, credential: Keys, *, demo_mode: bool) -> None:
        """Refuse missing keys outside the demo mode, and a key that is used for both purposes."""
        for name, keys in (("ENCRYPTION_KEY", encryption), ("CREDENTIAL_ENCRYPTION_KEY", credential)):
            named = any(problem.startswith((f"{name} ", f"{name}_FILE ")) for problem in self.problems)
            if not keys and not named and not demo_mode:
                self.problems.append(
                    f"{name} is missing. Generate a key with: telemetry-service generate-key (only DEMO_MODE=true"
                    " starts without one, on temporary keys)."
                )
        if set(encryption) & set(credential):
            self.problems.append("CREDENTIAL_ENCRYPTION_KEY shares a key with ENCRYPTION_KEY; each needs its own keys.")

    def check_receipts(self, settings: Settings) -> None:
        """Refuse to require receipts that nothing could verify."""
        pinned = settings.license_server_public_key is not None or self.is_set("TELEMETRY_LICENSE_SERVER_PUBLIC_KEY")
        if settings.require_receipt and not pinned:
            self.problems.append(
                "TELEMETRY_REQUIRE_RECEIPT needs TELEMETRY_LICENSE_SERVER_PUBLIC_KEY: no receipt can be verified"
                " without the License Server's public key."
            )

    def check_hsts(self, settings: Settings) -> None:
        """Refuse to decide about the subdomains of a host that the deployment does not name, or serves without TLS."""
        url = settings.public_url
        named = self.is_set("TELEMETRY_PUBLIC_URL") if url is None else url.secure
        if settings.hsts_subdomains and not named:
            self.problems.append("TELEMETRY_HSTS_SUBDOMAINS needs TELEMETRY_PUBLIC_URL with https.")

    def check_names(self) -> None:
        """Refuse an unknown ``TELEMETRY_`` variable: a typo must not silently mean the default."""
        known = KNOWN_VARIABLES | _OF_THE_TESTS
        unknown = sorted(name for name in self._environ if name.startswith(_PREFIX) and name not in known)
        self.problems.extend(f"{name} is not a setting of this service.{_hint(name)}" for name in unknown)

    def _text(self, name: str) -> tuple[str, str | None]:
        """Return the variable that was set, and its text."""
        value = self._environ.get(name)
        file = self._environ.get(f"{name}_FILE") if name in FILES else None
        if not file:
            return name, value
        if value:
            self.problems.append(f"{name} and {name}_FILE are both set; set one of them.")
            return name, None
        return f"{name}_FILE", self._content(f"{name}_FILE", file)

    def _content(self, name: str, path: str) -> str | None:
        try:
            with Path(path).open("rb") as file:
                content = file.read(FILE_BYTES_MAXIMUM + 1)
            text = first_text_of(content.decode())
        except (OSError, ValueError):  # UnicodeDecodeError is a ValueError, as is a NUL in the path.
            self.problems.append(f"{name} names a file that cannot be read as text.")
            return None
        if not text or len(content) > FILE_BYTES_MAXIMUM:
            self.problems.append(f"{name} names a file that is {'too large' if text else 'empty'}.")
            return None
        return text


def _temporary_key() -> Keys:
    return (SecretBytes(secrets.token_bytes(values.KEY_BYTES)),)


def _hint(name: str) -> str:
    if _KUBERNETES_LINK.fullmatch(name):
        return " Kubernetes creates such variables for its services; set enableServiceLinks: false in the pod."
    if name.removesuffix("_FILE") in _PLAIN:
        return f" {name.removesuffix('_FILE')} is not a secret and cannot be read from a file."
    near = _meant(name)
    return f" Did you mean {near}?" if near else ""


def _meant(name: str) -> str | None:
    """Return the only variable that ``name`` can mean: spelled slightly differently, or with a word missing.

    The common prefix is ignored. If two could be meant, no guess is better than a wrong one.
    """
    wanted = name.upper().removeprefix(_PREFIX)
    candidates = {known.removeprefix(_PREFIX): known for known in sorted(KNOWN_VARIABLES)}
    alike = difflib.get_close_matches(wanted, candidates, n=1, cutoff=_ALIKE)
    if alike:
        return candidates[alike[0]]
    words = set(wanted.split("_"))
    shortened = [
        known for rest, known in candidates.items() if words <= set(rest.split("_")) and known in _PLAIN | _SECRETS
    ]
    return shortened[0] if len(shortened) == 1 else None
