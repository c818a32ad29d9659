"""``config get``, ``config set`` and ``api-key set``: for init jobs, which may repeat them."""

from pathlib import Path

from telemetry_service.domain.ledger import Kind
from tests.cli.conftest import CommandLine
from tests.cli.test_side_effects import entries_of
from tests.support.dump import dump
from tests.support.each import each
from tests.support.license_server import API_KEY

KEY = "ck_init_job_0123456789abc"


def url_of(cli: CommandLine) -> str:
    return cli.environment["TELEMETRY_DATABASE_URL"]


def kinds(cli: CommandLine) -> list[Kind]:
    return [entry.kind for entry in entries_of(url_of(cli)) if entry.kind is not None]


def test_the_settings_are_shown_as_a_table_alone_and_as_the_api_shows_them(cli: CommandLine) -> None:
    cli.set(TELEMETRY_CONFIG_FREQUENCY="twice_monthly")
    shown = cli("config", "get").out.splitlines()
    assert shown[0].split() == ["NAME", "VALUE", "LOCKED", "BY"]
    assert [line.split() for line in shown[1:]] == [
        ["enabled", "true", "-"],
        ["frequency", "twice_monthly", "TELEMETRY_CONFIG_FREQUENCY"],
        ["encrypt_payload", "true", "-"],
        ["anonymize_pii", "true", "-"],
        ["retention_days", "30", "-"],
        ["api_key", "none", "-"],
    ]
    assert cli("config", "get", "retention_days").out == "30\n"
    found = cli("config", "get", "--json").json()
    assert (found["frequency"], found["locked"]) == ("twice_monthly", ["frequency"])


def test_a_setting_is_changed_once_and_is_unchanged_from_then_on(cli: CommandLine) -> None:
    changed = cli("config", "set", "frequency=weekly", "anonymize_pii=false")
    assert (changed.code, changed.out) == (0, "Changed: frequency, anonymize_pii.\n")
    assert kinds(cli)[-1] is Kind.SETTINGS
    before = dump(url_of(cli))
    again = cli("config", "set", "frequency=weekly", "anonymize_pii=false")
    assert (again.code, again.out, again.err) == (0, "The settings are unchanged.\n", "")
    assert cli("config", "set", "frequency=weekly", "--json").json() == {"changed": []}
    assert dump(url_of(cli)) == before


def test_what_would_lose_something_has_to_be_confirmed(connected: CommandLine) -> None:
    service = connected.service()
    service.runtime.database.close()
    assert connected("config", "set", "enabled=false", "--json").json() == {"changed": ["enabled"]}
    assert connected("config", "get", "enabled").out == "false\n"


@each(
    ("arguments", "said"),
    [
        (("config", "get", "color"), "The settings are"),
        (("config", "set", "color=red"), "The settings are"),
        (("config", "set", "api_key=ck_canary_0123456789"), "api-key set"),
        (("config", "set", "frequency"), "frequency must be"),
        (("config", "set", "frequency=hourly"), "frequency must be"),
        (("config", "set", "encrypt_payload=1"), "encrypt_payload must be true or false"),
        (("config", "set", "retention_days=31"), "retention_days must be"),
        (("config", "set", "retention_days=90", "retention_days=30"), "retention_days is given twice."),
        (("api-key", "set"), "--stdin"),
        (("api-key", "set", "--stdin", "--file", "/dev/null"), "Choose one"),
        (("api-key", "set", "--file", "no-such-file"), "--file"),
        (("api-key", "set", "--file", "/dev/zero"), "This is not an API key."),
        (("api-key", "set", "--stdin"), "This is not an API key."),
    ],
)
def test_what_is_wrong_is_2_and_never_repeated(cli: CommandLine, arguments: tuple[str, ...], said: str) -> None:
    ended = cli(*arguments, stdin="canary is no key\n")
    assert (ended.code, ended.out) == (2, ""), arguments
    assert said in " ".join(ended.err.replace("│", " ").split()), arguments
    assert "canary" not in ended.err, arguments


def test_the_api_key_is_saved_once_and_is_unchanged_from_then_on(cli: CommandLine, tmp_path: Path) -> None:
    saved = cli("api-key", "set", "--stdin", stdin=f"{KEY}\n")
    assert (saved.code, saved.out, saved.err) == (0, "The API key that ends in 9abc is saved.\n", "")
    assert kinds(cli)[-1] is Kind.KEY_SET
    before = dump(url_of(cli))
    (tmp_path / "key").write_text(f"{KEY}\r\n")
    assert cli("api-key", "set", "--file", "key").out == "The API key that ends in 9abc is unchanged.\n"
    found = cli("api-key", "set", "--stdin", "--json", stdin=KEY).json()
    assert (found["changed"], found["hint"]) == (False, "9abc")
    assert dump(url_of(cli)) == before


def test_an_old_key_overlaps_unless_it_has_to_go(connected: CommandLine) -> None:
    assert connected("api-key", "set", "--stdin", stdin=KEY).code == 0
    assert connected("config", "get", "--json").json()["old_api_key"]["hint"] == API_KEY[-4:]
    assert connected("api-key", "set", "--stdin", "--no-overlap", stdin=KEY).out.endswith("is saved.\n")
    assert connected("config", "get", "--json").json()["old_api_key"] is None
    assert connected("api-key", "set", "--stdin", "--no-overlap", stdin=KEY).out.endswith("is unchanged.\n")


def test_what_the_deployment_sets_is_1_and_names_the_variable(cli: CommandLine) -> None:
    cli.set(TELEMETRY_CONFIG_RETENTION_DAYS="90", TELEMETRY_API_KEY=KEY)
    cli.service().runtime.database.close()
    before = dump(url_of(cli))
    refused = cli("config", "set", "retention_days=365")
    assert (refused.code, refused.out) == (1, "")
    assert "TELEMETRY_CONFIG_RETENTION_DAYS" in refused.err
    assert refused.err.endswith("(setting-locked)\n")
    refused = cli("api-key", "set", "--stdin", stdin=API_KEY)
    assert (refused.code, "TELEMETRY_API_KEY" in refused.err) == (1, True)
    assert dump(url_of(cli)) == before
    assert cli("config", "set", "retention_days=90").out == "The settings are unchanged.\n"
    assert cli("api-key", "set", "--stdin", stdin=KEY).out.endswith("is unchanged.\n")


def test_the_doctor_says_what_the_deployment_sets_and_whether_it_is_saved_like_this(cli: CommandLine) -> None:
    cli.set(TELEMETRY_CONFIG_FREQUENCY="daily", TELEMETRY_API_KEY=KEY)
    assert found(cli) == ("warning", "TELEMETRY_CONFIG_FREQUENCY and TELEMETRY_API_KEY")
    cli.service().runtime.database.close()
    assert found(cli) == ("ok", "TELEMETRY_CONFIG_FREQUENCY and TELEMETRY_API_KEY")
    cli.set(TELEMETRY_CONFIG_FREQUENCY="", TELEMETRY_API_KEY="")
    assert found(cli) == ("ok", "")


def found(cli: CommandLine) -> tuple[str, str]:
    """Return the result of the check, and the variables that it names."""
    ended = cli("doctor", "--offline", "--json")
    assert KEY not in ended.out + ended.err
    (finding,) = (finding for finding in ended.json() if finding["check"] == "locked")
    words = finding["sentence"].replace(":", " ").replace(".", " ").split()
    return finding["result"], " and ".join(word for word in words if word.startswith("TELEMETRY_"))
