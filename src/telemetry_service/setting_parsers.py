"""Parses the text of settings: one function for each kind.

Each takes the text as the deployment wrote it, and raises ``RefusedValueError`` with our own sentence, which contains
neither the variable (the caller adds it) nor any of the value: a value in the wrong variable is often a secret. For the
same reason, no library's exception is chained here.
"""

import base64
import re
import ssl
from datetime import timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretBytes, SecretStr

from telemetry_service.domain.code_pattern import is_pattern
from telemetry_service.domain.configuration import Delivery, Retention, api_key_error
from telemetry_service.domain.issuers import LONGEST_LIFETIME
from telemetry_service.domain.payload import CUSTOMER_ID_PATTERN, VERSION_PATTERN
from telemetry_service.domain.public_url import PublicUrl, public_path_error, public_url_of
from telemetry_service.domain.release import Release
from telemetry_service.domain.schedule import Frequency
from telemetry_service.log.options import LogFormat, LogLevel

KEY_BYTES = 32
SPREAD_MAXIMUM_SECONDS = 3600
MAX_BOUNCERS_MAXIMUM = 1_000_000
PORT_MAXIMUM = 65_535
"""Ten times the default: with more, previews would be slow."""

NOTICE_MAXIMUM_HOURS = 8760
"""A year."""

LEDGER_RETENTION_MINIMUM_DAYS = 365
PATTERN_MAXIMUM = 200
TEXT_MAXIMUM = 512
PASSWORD_MINIMUM, PASSWORD_MAXIMUM = 12, 1024
_BEARER_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{32,256}", re.ASCII)
_TOKEN_DISTINCT = 8
"""Different characters, at least: a random token of 32 hex digits has fewer once in ten million."""

_KEY_TEXT = re.compile(r"[A-Za-z0-9_-]{43}=?")
_DISTINCT_BYTES_MINIMUM = 12
"""32 random bytes practically never have fewer distinct ones (about 1 key in 10^24); placeholders usually do."""

_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\.?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
"""A name of labels, an IPv4 address (which looks like one), or an IPv6 address, the only one with colons."""
_AUTHORITY = re.compile(r"(?:\[[^\[\]]+\]|[^\[\]]+)(?::[0-9]*)?")
"""A host and perhaps a port. Brackets enclose the whole host: urlsplit ignores any text before or after them."""
_SQLITE_URL = re.compile(r"sqlite:///(?!:memory:|file:)[^?#\x00]+")
_POSTGRESQL_URL = re.compile(
    r"postgres(?:ql)?(?:\+psycopg)?://"
    r"(?P<rest>(?:[^:/@?]*(?::[^@]*)?@)?(?:\[[0-9A-Fa-f:.]+\]|(?P<host>[^/:?@\[\]]*))(?::(?P<port>[0-9]{1,5}))?"
    r"/[^?/]+(?:\?.*)?)"
)
_PORT_MAXIMUM = 65_535
_TAKEN_HEADERS = re.compile(
    r"(accept|cache|content|hx|if|proxy|sec|x-forwarded)-.+|idempotency-key|x-(csrf-token|history-query|polling"
    r"|restored|request-id)|accept|authorization|connection|cookie|date|expect|forwarded|host|origin|referer|t(e|railer)"
    r"|transfer-encoding|upgrade|user-agent"
)
_PEM_PUBLIC_KEY = re.compile(r"-----BEGIN PUBLIC KEY-----\s+([A-Za-z0-9+/=\s]+?)\s+-----END PUBLIC KEY-----")
_ED25519_PREFIX = bytes.fromhex("302a300506032b6570032100")
"""The DER prefix of a SubjectPublicKeyInfo with an Ed25519 key of 32 bytes (RFC 8410)."""


class RefusedValueError(ValueError):
    """The text is not valid for the setting. The sentence completes "NAME …" and does not contain the value."""


def boolean(text: str) -> bool:
    """Return the value of ``true`` or ``false`` in any case; guessing at anything else could go wrong."""
    if text.lower() not in {"true", "false"}:
        message = "must be true or false."
        raise RefusedValueError(message)
    return text.lower() == "true"


def file_path(text: str) -> Path:
    """Return the path of a file that the service writes; its folder must exist."""
    path = Path(text)
    if "\0" in text or not path.parent.is_dir() or path.is_dir():
        message = "must be the path of a file in a folder that exists."
        raise RefusedValueError(message)
    return path


def delivery(text: str) -> Delivery:
    """Return how payloads reach the License Server."""
    if text.lower() not in set(Delivery):
        message = f"must be one of: {', '.join(Delivery)}."
        raise RefusedValueError(message)
    return Delivery(text.lower())


def release(text: str) -> Release:
    """Return who releases payloads."""
    if text.lower() not in set(Release):
        message = f"must be one of: {', '.join(Release)}."
        raise RefusedValueError(message)
    return Release(text.lower())


def notice(text: str) -> timedelta:
    """Return how long a new field is announced before it is sent."""
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= NOTICE_MAXIMUM_HOURS:
        message = f"must be a whole number of hours from 1 to {NOTICE_MAXIMUM_HOURS}."
        raise RefusedValueError(message)
    return timedelta(hours=int(text))


def token_lifetime(text: str) -> timedelta:
    """Return how long a token of the console's gateway may be valid."""
    most = LONGEST_LIFETIME // timedelta(minutes=1)
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= most:
        message = f"must be a whole number of minutes from 1 to {most}."
        raise RefusedValueError(message)
    return timedelta(minutes=int(text))


def log_format(text: str) -> LogFormat:
    """Return the format of the log."""
    if text.lower() not in set(LogFormat):
        message = f"must be one of: {', '.join(LogFormat)}."
        raise RefusedValueError(message)
    return LogFormat(text.lower())


def log_level(text: str) -> LogLevel:
    """Return the lowest level that is logged."""
    if text.lower() not in set(LogLevel):
        message = f"must be one of: {', '.join(LogLevel)}."
        raise RefusedValueError(message)
    return LogLevel(text.lower())


def key_list(text: str) -> tuple[SecretBytes, ...]:
    """Return keys of 32 bytes, newest first, from URL-safe base64 separated by commas."""
    keys = tuple(_key(part.strip()) for part in text.split(","))
    if len({key.get_secret_value() for key in keys}) < len(keys):
        message = "contains the same key twice."
        raise RefusedValueError(message)
    return keys


def _key(text: str) -> SecretBytes:
    if not _KEY_TEXT.fullmatch(text):
        message = "must be 32 bytes in URL-safe base64 (separate several keys with commas, newest first)."
        raise RefusedValueError(message)
    # The spare bits of the last character may have any value: some write a key as 43 random characters.
    key = base64.urlsafe_b64decode(text[:43] + "=")
    if len(set(key)) < _DISTINCT_BYTES_MINIMUM:
        message = "is not random. Generate a key with: telemetry-service generate-key"
        raise RefusedValueError(message)
    return SecretBytes(key)


def database_url(text: str) -> SecretStr:
    """Return the URL for SQLAlchemy, with the psycopg driver for PostgreSQL."""
    if _SQLITE_URL.fullmatch(text):
        return SecretStr(text)
    postgresql = _POSTGRESQL_URL.fullmatch(text)
    if postgresql is None:
        message = (
            "must be sqlite:///<path of a file> or postgresql://<user>:<password>@<host>:<port>/<database>"
            " (percent-encode special characters in the password)."
        )
        raise RefusedValueError(message)
    host, port = postgresql["host"], postgresql["port"]
    # Without a host, the server's socket is used; its folder is an option of the URL.
    if (host and not _HOST.fullmatch(host)) or (port and not 1 <= int(port) <= _PORT_MAXIMUM):
        message = "does not name a valid host and port."
        raise RefusedValueError(message)
    return SecretStr(f"postgresql+psycopg://{postgresql['rest']}")


def license_server_url(text: str) -> SecretStr | None:
    """Return the base URL without a trailing slash; None if it has no host, which means not configured."""
    parts = _split(text)
    if parts.scheme != "https":
        message = "must begin with https:// (the License Server is reached only over verified TLS)."
        raise RefusedValueError(message)
    if "@" in parts.netloc or "?" in text or "#" in text:
        message = (
            "must not contain a user name, a password, a query, or a fragment: only https://<host>[:<port>][/<path>]."
        )
        raise RefusedValueError(message)
    if not parts.netloc:
        return None
    _check_host(parts)
    return SecretStr(parts.scheme + text[len(parts.scheme) :].rstrip("/"))


def proxy_url(text: str) -> SecretStr:
    """Return the URL of an outbound HTTP proxy, which may contain its credentials."""
    parts = _split(text)
    if parts.scheme not in {"http", "https"} or parts.path not in {"", "/"} or "?" in text or "#" in text:
        message = "must be http://[<user>:<password>@]<host>:<port> (or https://), with nothing after it."
        raise RefusedValueError(message)
    _check_host(parts)
    return SecretStr(parts.scheme + text[len(parts.scheme) :].rstrip("/"))


def public_url(text: str) -> PublicUrl:
    """Return where browsers reach the service."""
    url = _origin(text)
    if (problem := public_path_error(url.path)) is not None:
        raise RefusedValueError(problem)
    return url


def console_url(text: str) -> PublicUrl:
    """Return where the console is."""
    return _origin(text)


def frame_ancestors(text: str) -> tuple[str, ...]:
    """Return the origins whose pages may show the tab in a frame."""
    urls = [_origin(part.strip()) for part in text.split(",")]
    if any(url.path for url in urls):
        message = "must contain origins, such as https://console.example, without a path."
        raise RefusedValueError(message)
    return tuple(dict.fromkeys(url.origin for url in urls))


def _origin(text: str) -> PublicUrl:
    parts = _split(text)
    if parts.scheme not in {"http", "https"} or "@" in parts.netloc or "?" in text or "#" in text:
        message = "must be http:// or https:// with a host and perhaps a port and a path, and nothing else."
        raise RefusedValueError(message)
    _check_host(parts)
    return public_url_of(text)


def _split(text: str) -> SplitResult:
    # urlsplit silently drops tabs and line ends, so refuse them first.
    try:
        if not _VISIBLE_ASCII.fullmatch(text):
            raise ValueError  # noqa: TRY301 - both ways of being no URL end in the one refusal below
        return urlsplit(text)
    except ValueError:
        message = "is not a URL of visible ASCII characters."
    raise RefusedValueError(message)


def _check_host(parts: SplitResult) -> None:
    try:
        authority = parts.netloc.rpartition("@")[2]
        valid = bool(_AUTHORITY.fullmatch(authority) and _HOST.fullmatch(parts.hostname or "")) and parts.port != 0
    except ValueError:  # A port that is not a number from 1 to 65535.
        valid = False
    if not valid or parts.netloc.endswith(":"):
        message = "does not name a valid host and port."
        raise RefusedValueError(message)


def certificate_file(text: str) -> Path:
    """Return the path of a readable PEM file of certificate authorities."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=text)
    except (OSError, ValueError):  # ssl.SSLError is an OSError.
        message = "must be the path of a readable PEM file with at least one certificate."
    else:
        return Path(text)
    raise RefusedValueError(message)


def public_keys(text: str) -> str:
    """Return the text of Ed25519 public keys, separated by commas: PEM, or their 32 bytes in URL-safe base64."""
    return ",".join(public_key(part) for part in text.split(","))


def public_key(text: str) -> str:
    """Return the text of one of them."""
    # Line ends are often lost when PEM is passed in an environment variable.
    text = text.replace("\\n", "\n").strip()
    pem = _PEM_PUBLIC_KEY.fullmatch(text)
    if not (_KEY_TEXT.fullmatch(text) or (pem and _is_ed25519("".join(pem[1].split())))):
        message = "must be an Ed25519 public key: PEM, or its 32 bytes in URL-safe base64."
        raise RefusedValueError(message)
    return text


def _is_ed25519(body: str) -> bool:
    try:
        der = base64.b64decode(body, validate=True)
    except ValueError:
        return False
    return der.startswith(_ED25519_PREFIX) and len(der) == len(_ED25519_PREFIX) + KEY_BYTES


def customer_id(text: str) -> str:
    """Return the customer's identifier at the vendor's payment provider."""
    if not re.fullmatch(CUSTOMER_ID_PATTERN, text):
        message = "must be cus_ followed by 6 to 64 letters and digits."
        raise RefusedValueError(message)
    return text


def deployment_version(text: str) -> str:
    """Return the version that the payload names."""
    if not re.fullmatch(VERSION_PATTERN, text):
        message = "must be a version such as 2.4.1 or 2.5.0-rc1."
        raise RefusedValueError(message)
    return text


def password(text: str) -> SecretStr:
    """Return the administrator's first password."""
    if not PASSWORD_MINIMUM <= len(text) <= PASSWORD_MAXIMUM:
        message = f"must have {PASSWORD_MINIMUM} to {PASSWORD_MAXIMUM} characters."
        raise RefusedValueError(message)
    return SecretStr(text)


def bootstrap_token(text: str) -> SecretStr:
    """Return a service token that the deployment sets."""
    if not _BEARER_TOKEN.fullmatch(text):
        message = "must have 32 to 256 letters, digits, and the characters - . _ ~ + / only."
        raise RefusedValueError(message)
    # A text that repeats a shorter one occurs in two copies of itself at an inner position.
    if len(set(text)) < _TOKEN_DISTINCT or text in (text + text)[1:-1]:
        message = "is a placeholder: it repeats a few characters; generate one with openssl rand -hex 32."
        raise RefusedValueError(message)
    return SecretStr(text)


def api_key(text: str) -> SecretStr:
    """Return the API key for the License Server."""
    if (problem := api_key_error(text)) is not None:
        message = f"is not an API key. {problem}"
        raise RefusedValueError(message)
    return SecretStr(text)


def frequency(text: str) -> Frequency:
    """Return how often payloads are sent."""
    try:
        return Frequency(text)
    except ValueError:
        message = f"must be {', '.join(list(Frequency)[:-1])}, or {list(Frequency)[-1]}."
        raise RefusedValueError(message) from None


def retention(text: str) -> int:
    """Return for how many days telemetry is kept."""
    days = {str(value.value): value.value for value in Retention}
    if text not in days:
        message = f"must be a number of days: {', '.join(list(days)[:-1])}, or {list(days)[-1]}."
        raise RefusedValueError(message)
    return days[text]


def code_pattern(text: str) -> str:
    """Return a usable regular expression, short enough for a person to review."""
    if len(text) > PATTERN_MAXIMUM or not _VISIBLE_ASCII.fullmatch(text):
        message = f"must be a regular expression of at most {PATTERN_MAXIMUM} visible ASCII characters."
        raise RefusedValueError(message)
    if not is_pattern(text):
        message = "is not a valid regular expression, or uses look-around or back-references, which are not supported."
        raise RefusedValueError(message)
    return text


def max_bouncers(text: str) -> int:
    """Return the limit of distinct bouncers in one period and in the registry."""
    if not re.fullmatch(r"[0-9]{1,7}", text) or not 1 <= int(text) <= MAX_BOUNCERS_MAXIMUM:
        message = f"must be a whole number from 1 to {MAX_BOUNCERS_MAXIMUM}."
        raise RefusedValueError(message)
    return int(text)


def port(text: str) -> int:
    """Return the number of a TCP port."""
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= PORT_MAXIMUM:
        message = f"must be the number of a port, 1 to {PORT_MAXIMUM}."
        raise RefusedValueError(message)
    return int(text)


def ip_address_text(text: str) -> str:
    """Return an address of this machine; ``::`` and ``0.0.0.0`` are all of them."""
    try:
        return str(ip_address(text))
    except ValueError:
        message = "must be an IP address, such as 127.0.0.1 or ::."
        raise RefusedValueError(message) from None


def fingerprint(text: str) -> str:
    """Return the hex SHA-256 digest of a public key, in lower case."""
    if not re.fullmatch(r"[0-9A-Fa-f]{64}", text):
        message = "must be the fingerprint of a ledger key: 64 hexadecimal digits."
        raise RefusedValueError(message)
    return text.lower()


def ledger_retention(text: str) -> timedelta:
    """Return how long entries of the ledger are kept."""
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) < LEDGER_RETENTION_MINIMUM_DAYS:
        message = f"must be a whole number of days, {LEDGER_RETENTION_MINIMUM_DAYS} to 99999."
        raise RefusedValueError(message)
    return timedelta(days=int(text))


def issuer_url(text: str) -> str:
    """Return the URL of an issuer unchanged, because an issuer is compared letter for letter."""
    parts = _split(text)
    if parts.scheme != "https" or "@" in parts.netloc or "?" in text or "#" in text:
        message = "must be https://<host>[:<port>][/<path>], without a user name, a query, or a fragment."
        raise RefusedValueError(message)
    _check_host(parts)
    return text


def jwks_place(text: str) -> str:
    """Return the https URL of a JWK set, or the path of a readable file with one."""
    if "://" in text:
        parts = _split(text)
        if parts.scheme != "https" or "@" in parts.netloc or "#" in text:
            message = "must be the path of a file, or an https:// URL without a user name or a fragment."
            raise RefusedValueError(message)
        _check_host(parts)
    elif "\0" in text or not Path(text).is_file():
        message = "must be the path of a file that exists, or an https:// URL."
        raise RefusedValueError(message)
    return text


def visible_text(text: str) -> str:
    """Return a text of visible ASCII characters."""
    if len(text) > TEXT_MAXIMUM or not _VISIBLE_ASCII.fullmatch(text):
        message = f"must be 1 to {TEXT_MAXIMUM} visible ASCII characters."
        raise RefusedValueError(message)
    return text


def secret_text(text: str) -> SecretStr:
    """Return the same as a secret."""
    return SecretStr(visible_text(text))


def header_name(text: str) -> str:
    """Return the name of a header that has no other meaning."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]{0,63}", text) or _TAKEN_HEADERS.fullmatch(text.lower()):
        message = "must be letters, digits, and dashes, and no header with another meaning."
        raise RefusedValueError(message)
    return text


def names(text: str) -> frozenset[str]:
    """Return names, separated by commas."""
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        message = "must contain names separated by commas."
        raise RefusedValueError(message)
    return frozenset(parts)


def scopes(text: str) -> tuple[str, ...]:
    """Return the scopes that the provider is asked for, in their order."""
    parts = tuple(text.split())
    if "openid" not in parts or not all(_VISIBLE_ASCII.fullmatch(part) for part in parts):
        message = "must contain scopes separated by spaces, openid among them."
        raise RefusedValueError(message)
    return parts


def trusted_proxies(text: str) -> tuple[str, ...]:
    """Return the addresses and networks whose forwarded headers are trusted; a name could be anyone's."""
    try:
        return tuple(str(ip_network(part.strip())) for part in text.split(","))
    except ValueError:
        message = "must contain IP addresses, or networks such as 10.0.0.0/8 or fd00::/8, separated by commas."
    raise RefusedValueError(message)


def spread(text: str) -> timedelta:
    """Return the seconds over which a fleet spreads its sends."""
    if not re.fullmatch(r"[0-9]{1,4}", text) or int(text) > SPREAD_MAXIMUM_SECONDS:
        message = f"must be a whole number of seconds from 0 to {SPREAD_MAXIMUM_SECONDS}."
        raise RefusedValueError(message)
    return timedelta(seconds=int(text))
