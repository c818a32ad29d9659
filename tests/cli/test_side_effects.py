"""A command changes what it is for and nothing else: it makes no database, migrates none and notes no change.

Every command is walked, over no database, over one of an older version, and over one that is current while the
settings name another connection than the service has used.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import pytest
import typer

from telemetry_service.cli.command_line import make_cli
from telemetry_service.cli.open_service import command_actor
from telemetry_service.domain.clock import SystemClock
from telemetry_service.domain.ledger import Kind
from telemetry_service.domain.transmissions import AttemptTrigger, State
from telemetry_service.pipeline.actions.configure import set_api_key
from telemetry_service.pipeline.actions.send_now import send_now
from telemetry_service.pipeline.queries.activity import Activity, read_entries
from telemetry_service.pipeline.stages.tick import wake
from telemetry_service.sealing.keyring import generate_key
from telemetry_service.storage.database import Database
from telemetry_service.storage.ledger import each_line
from tests.cli.conftest import CommandLine, Ended
from tests.support import faults
from tests.support.actors import ADMIN
from tests.support.databases import ON_BOTH, RunDatabases
from tests.support.dump import changed, dump, tables
from tests.support.each import each
from tests.support.license_server import API_KEY, CUSTOMER, LicenseServer, Trouble, reply
from tests.support.lived_in import LivedIn, postgresql_lived_in, sqlite_lived_in

NOBODYS = "01980000-0000-7000-8000-000000000001"


@dataclass(frozen=True)
class Command:
    """A command, the tables that it is for, and the entries that it writes."""

    arguments: tuple[str, ...]
    writes: frozenset[str] = frozenset()
    notes: tuple[Kind, ...] = ()
    """The entries that it writes."""
    stdin: str = ""
    made: Callable[[str], tuple[str, ...]] = field(default=lambda _id: ())
    """Arguments that name a transmission of the database."""
    code: int = 0
    """How it ends over that transmission."""
    any_schema: bool = False
    """Whether it is also for a database of an older version."""
    any_state: bool = False
    """Whether it works without a database, too."""

    def run(self, cli: CommandLine, transmission_id: str = NOBODYS) -> Ended:
        return cli(*self.arguments, *self.made(transmission_id), stdin=self.stdin)


NOTING = frozenset({"ledger_head", "ledger_salted_values", "telemetry_ledger"})
"""Each act is an entry of the ledger."""
NOTING_OFTEN = NOTING | {"ledger_pending"}
"""What may happen many times in a row is counted beside."""
SENDING = NOTING | frozenset(
    {
        "evidence",
        "license_server_last_exchange",
        "reporting_periods",
        "telemetry_transmission_attempts",
        "telemetry_transmission_logs",
    }
)


def _named(known: str) -> tuple[str, ...]:
    return (known,)


COMMANDS = {
    "preview": Command(("preview",)),
    "history": Command(("history",)),
    "prove": Command(("prove",), NOTING_OFTEN, (Kind.PROVED,), made=lambda known: (known, "--folder", "proof")),
    "ledger verify": Command(("ledger", "verify")),
    "ledger export": Command(("ledger", "export", "ledger.zip"), NOTING_OFTEN, (Kind.EXPORTED,)),
    "ledger key": Command(("ledger", "key")),
    "ledger rotate-key": Command(
        ("ledger", "rotate-key"), NOTING | {"ledger_keys"}, (Kind.LEDGER_KEY, Kind.LEDGER_KEY)
    ),
    "rotate-keys": Command(("rotate-keys",)),
    "doctor": Command(("doctor",)),
    "doctor --offline": Command(("doctor", "--offline")),
    "token list": Command(("token", "list")),
    "token create": Command(
        ("token", "create", "reporter", "--scope", "report"), NOTING | {"service_tokens"}, (Kind.TOKEN_CREATED,)
    ),
    "token create --if-missing": Command(("token", "create", "kept", "--scope", "read", "--if-missing")),
    "token revoke": Command(("token", "revoke", "kept"), NOTING | {"service_tokens"}, (Kind.TOKEN_REVOKED,)),
    "admin set-password": Command(
        ("admin", "set-password", "--stdin"),
        NOTING | {"admin_accounts", "admin_sessions"},
        (Kind.PASSWORD_SET,),
        stdin="a long enough password\n",
    ),
    "config get": Command(("config", "get")),
    "config set": Command(
        ("config", "set", "frequency=daily"),
        NOTING | {"telemetry_configuration", "telemetry_schedule"},
        (Kind.SETTINGS,),
    ),
    "api-key set": Command(("api-key", "set", "--stdin"), stdin=API_KEY),
    "test-connection": Command(
        ("test-connection",),
        NOTING | {"license_server_last_exchange", "telemetry_transmission_logs"},
        (Kind.CONNECTION_TESTED,),
    ),
    "send-now": Command(("send-now",), SENDING, (Kind.PREPARED, Kind.ATTEMPT, Kind.ANSWERED)),
    "withdraw": Command(
        ("withdraw", "--reason", "A trial"),
        NOTING | {"telemetry_transmission_logs"},
        (Kind.WITHDRAWN,),
        made=_named,
    ),
    "release": Command(("release", "--reason", "A trial"), made=_named, code=1),
    "accept-without-receipt": Command(("accept-without-receipt", "--reason", "A trial"), made=_named, code=1),
    "erase": Command(("erase", "--all", "--yes"), SENDING | {"admin_sessions", "extension_codes"}, (Kind.ERASED,)),
    "erase --persons": Command(("erase", "--persons", "--yes"), NOTING, (Kind.ERASED,)),
    "instance-id reset": Command(
        ("instance-id", "reset", "--yes"), NOTING | {"installation"}, (Kind.INSTANCE_ID_RESET,)
    ),
    "restored": Command(("restored",)),
    "restored --hold": Command(("restored", "--hold"), NOTING | {"installation"}, (Kind.RESTORED,), code=6),
    "support-bundle": Command(("support-bundle", "out.zip", "--offline", "--overwrite"), any_state=True),
    "backup": Command(("backup", "out.db", "--overwrite"), any_schema=True),
    "source check": Command(("source", "check"), code=6),
    "source reset": Command(("source", "reset", "--from", "now", "--yes"), code=6),
    "source catch-up": Command(("source", "catch-up", "--from", "2026-11-01", "--yes"), code=6),
    "bundle export": Command(("bundle", "export", "out.json"), code=6),
    "bundle import": Command(("bundle", "import", "receipts.json"), code=1),
}
VARIANTS = {"doctor --offline", "erase --persons", "restored --hold", "token create --if-missing"}
"""Commands that are there twice, with other options."""
NOT_OF_A_DATABASE = {"generate-key", "license-server", "conformance", "demo", "migrate-database"}
"""The last names its databases itself: ``tests/restore/test_migrate_database.py``."""
OF_A_SOURCE = {"source check", "source reset", "source catch-up"}
"""Commands about the Control Plane's own database; ``test_source.py`` looks at their entries."""
THEY_MAKE_ONE = {"serve", "migrate", "restore"}


SERVICES_OWN = {Kind.ATTEMPT, Kind.ANSWERED}
"""What a command asks for, and the service does."""


def entries_of(url: str) -> list[Activity]:
    database = Database(url)
    with database.read() as tx:
        found = read_entries(tx, list(each_line(tx.ledger)))
    database.close()
    return list(found)


def names(cli: typer.Typer) -> Iterator[str]:
    yield from (str(command.name) for command in cli.registered_commands)
    for group in cli.registered_groups:
        assert group.typer_instance is not None
        yield from (f"{group.name} {name}" for name in names(group.typer_instance))


def test_every_command_is_walked() -> None:
    assert set(names(make_cli())) == (set(COMMANDS) - VARIANTS) | NOT_OF_A_DATABASE | THEY_MAKE_ONE


@pytest.fixture
def keyed(bare: CommandLine) -> CommandLine:
    bare.set(ENCRYPTION_KEY=generate_key(), CREDENTIAL_ENCRYPTION_KEY=generate_key())
    return bare


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_without_a_database_it_says_where_it_looked_and_makes_none(
    keyed: CommandLine, tmp_path: Path, command: Command
) -> None:
    before = set(tmp_path.rglob("*"))
    ended = command.run(keyed)
    said = ended.out + ended.err
    assert ended.code == (0 if command.any_state else 8), said
    assert "(database-missing)" in said
    assert f"Database: SQLite, {tmp_path / 'data' / 'telemetry.db'}." in said
    assert "telemetry-service migrate" in said
    assert set(tmp_path.rglob("*")) - before <= {tmp_path / "out.zip"}


def test_an_empty_file_is_said_to_be_no_database_and_stays_empty(keyed: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "empty.db"
    file.touch()
    keyed.set(TELEMETRY_DATABASE_URL=f"sqlite:///{file}")
    for name in ("history", "doctor --offline", "token create"):
        ended = COMMANDS[name].run(keyed)
        assert ended.code == 8, (name, ended)
        assert file.read_bytes() == b"", name


def test_a_file_that_was_only_looked_at_is_the_same_byte_for_byte(bare: CommandLine, tmp_path: Path) -> None:
    older = sqlite_lived_in(tmp_path)
    file = Path(older.database_url.removeprefix("sqlite:///"))
    bare.set(**older.environment)
    assert bare("history").code == 8
    before = file.read_bytes()
    assert bare("history").code == 8
    assert bare("doctor", "--offline").code == 8
    assert file.read_bytes() == before


def test_an_empty_database_on_a_server_is_said_to_be_none_and_stays_empty(
    keyed: CommandLine, run_databases: RunDatabases
) -> None:
    with run_databases.postgresql(migrated=False) as url:
        keyed.set(TELEMETRY_DATABASE_URL=url)
        for command in COMMANDS.values():
            ended = command.run(keyed)
            assert ended.code == (0 if command.any_state else 8), ended
            assert "Database: PostgreSQL." in ended.out + ended.err
            assert url not in ended.out + ended.err
        assert tables(url) == []


@pytest.fixture(params=["sqlite", "postgresql"])
def older(request: pytest.FixtureRequest, run_databases: RunDatabases, tmp_path: Path) -> Iterator[LivedIn]:
    """A database of version 0.1.0."""
    if request.param == "sqlite":
        yield sqlite_lived_in(tmp_path)
        return
    with postgresql_lived_in(run_databases) as restored:
        yield restored


def test_over_a_database_of_an_older_version_it_says_so_and_changes_nothing(bare: CommandLine, older: LivedIn) -> None:
    bare.set(**older.environment)
    before = dump(older.database_url)
    for name, command in COMMANDS.items():
        if command.any_schema or command.any_state:
            continue
        ended = command.run(bare)
        assert ended.code == 8, (name, ended)
        assert "(schema-behind)" in ended.out + ended.err
        assert changed(before, dump(older.database_url)) == set(), name
    assert bare("migrate").code == 0
    assert bare("history").code == 0


def test_migrate_sets_a_new_database_up_so_that_every_command_works(
    keyed: CommandLine, empty_database_url: str, tmp_path: Path
) -> None:
    url = empty_database_url.replace(str(tmp_path), str(tmp_path / "new"))
    keyed.set(TELEMETRY_DATABASE_URL=url)
    assert keyed("migrate").code == 0
    before = dump(url)
    assert keyed("migrate").code == 0
    assert changed(before, dump(url)) == set()
    assert keyed("admin", "set-password", "--stdin", stdin="a long enough password\n").code == 0
    assert keyed("token", "create", "reporter", "--scope", "report").code == 0
    assert keyed("preview").code == 0
    assert keyed("doctor").code == 0


@dataclass(frozen=True)
class Changed:
    """A service that holds a transmission; the settings name another License Server by now."""

    cli: CommandLine
    held: UUID

    @property
    def url(self) -> str:
        return self.cli.environment["TELEMETRY_DATABASE_URL"]


@pytest.fixture
def connection_changed(cli: CommandLine, license_server: LicenseServer, tmp_path: Path) -> Changed:
    with LicenseServer(tmp_path / "former", SystemClock()) as former:
        former.trouble(Trouble(before=reply(401)))
        cli.set(
            TELEMETRY_LICENSE_SERVER_URL=former.server.url,
            TELEMETRY_LICENSE_SERVER_CA_FILE=str(former.server.ca_pem_path),
            TELEMETRY_CUSTOMER_ID=CUSTOMER,
            TELEMETRY_ADMIN_PASSWORD="another long password",
        )
        service = cli.service()
        set_api_key(service.runtime, API_KEY, ADMIN)
        held = send_now(service.runtime, ADMIN, None).transmission
        assert held.state is State.HELD
        service.runtime.database.close()
    cli("token", "create", "kept", "--scope", "read")
    cli.set(
        TELEMETRY_LICENSE_SERVER_URL=license_server.server.url,
        TELEMETRY_LICENSE_SERVER_CA_FILE=str(license_server.server.ca_pem_path),
    )
    return Changed(cli, held.transmission_id)


def assert_noted(site: Changed, known: int, command: Command) -> None:
    """Whoever ran the command stands in its entry; there is no address, because no call came over a network."""
    person = f"cli ({command_actor().id})"
    expected = [(kind, "service" if kind in SERVICES_OWN else person, None) for kind in command.notes]
    assert [(entry.kind, entry.actor, entry.source) for entry in entries_of(site.url)[known:]] == expected


LEAVES_NOTHING_TO_SEND = {"test-connection", "erase", "restored --hold"}


@pytest.fixture
def restore(connection_changed: Changed, tmp_path: Path) -> Callable[[], None]:
    """Put the database, and what lies beside it, back as it was before any command."""
    del connection_changed  # What it has made is kept.
    kept = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}

    def put_back() -> None:
        for path in tmp_path.iterdir():
            if path.is_file():
                path.unlink()
        for path, content in kept.items():
            path.write_bytes(content)

    return put_back


@pytest.mark.long
@each("name", sorted(COMMANDS.keys() - LEAVES_NOTHING_TO_SEND))
def test_over_a_current_one_it_changes_what_it_is_for_and_leaves_the_changed_connection_to_the_service(
    connection_changed: Changed, restore: Callable[[], None], name: str
) -> None:
    restore()
    cli, command = connection_changed.cli, COMMANDS[name]
    before, known = dump(connection_changed.url), len(entries_of(connection_changed.url))
    ended = command.run(cli, str(connection_changed.held))
    assert ended.code == command.code, ended
    assert changed(before, dump(connection_changed.url)) <= command.writes
    assert_noted(connection_changed, known, command)
    service = cli.service()
    if name == "withdraw":
        assert wake(service.runtime).attempts == 0
        service.runtime.database.close()
        return
    assert wake(service.runtime).attempts == 1
    with service.runtime.database.read() as tx:
        attempts = tx.transmissions.attempts(connection_changed.held)
    assert (attempts[-1].trigger, attempts[-1].state) == (AttemptTrigger.CONNECTION_CHANGED, State.SUCCESS)
    service.runtime.database.close()


def test_an_erasure_changes_what_it_is_for_and_leaves_nothing_to_send(connection_changed: Changed) -> None:
    before, known = dump(connection_changed.url), len(entries_of(connection_changed.url))
    assert COMMANDS["erase"].run(connection_changed.cli).code == 0
    assert changed(before, dump(connection_changed.url)) <= COMMANDS["erase"].writes
    assert_noted(connection_changed, known, COMMANDS["erase"])
    service = connection_changed.cli.service()
    assert wake(service.runtime).attempts == 0
    service.runtime.database.close()


def test_a_connection_test_notes_its_result_and_what_it_shows(connection_changed: Changed) -> None:
    before, known = dump(connection_changed.url), len(entries_of(connection_changed.url))
    assert COMMANDS["test-connection"].run(connection_changed.cli).code == 0
    assert changed(before, dump(connection_changed.url)) == COMMANDS["test-connection"].writes
    assert_noted(connection_changed, known, COMMANDS["test-connection"])


@dataclass(frozen=True)
class Act:
    """A command that does what it is for, and its entries; what leads to it comes before."""

    command: str
    options: tuple[str, ...]
    kinds: tuple[Kind, ...]
    before: tuple[tuple[str, ...], ...] = ()
    settings: dict[str, str] = field(default_factory=dict)
    code: int = 0
    stdin: str = ""


REASON = ("--reason", "A trial")
SEND = (("send-now",),)
RENEWED = (Kind.LEDGER_KEY, Kind.LEDGER_KEY)
"""The old key announces the new one, which then confirms itself."""
ACTS = (
    Act("token create", ("kept", "--scope", "read"), (Kind.TOKEN_CREATED,)),
    Act("token revoke", ("kept",), (Kind.TOKEN_REVOKED,)),
    Act("admin set-password", ("--stdin",), (Kind.PASSWORD_SET,), stdin="a long enough password\n"),
    Act("config set", ("frequency=weekly",), (Kind.SETTINGS,)),
    Act("config set", ("frequency=weekly",), ()),
    Act("api-key set", ("--stdin",), (Kind.KEY_SET,), stdin="ck_of_a_command_0123456789"),
    Act("api-key set", ("--stdin",), (), stdin="ck_of_a_command_0123456789"),
    Act("api-key set", ("--stdin", "--no-overlap"), (Kind.KEY_OVERLAP_ENDED, Kind.KEY_SET), stdin=API_KEY),
    Act("test-connection", (), (Kind.CONNECTION_TESTED,)),
    Act("send-now", (), (Kind.PREPARED,)),
    Act("prove", ("ID", "--folder", "proof"), (Kind.PROVED,)),
    Act("ledger export", ("ledger.zip",), (Kind.EXPORTED,)),
    Act("release", ("ID", *REASON), (Kind.RELEASED,), SEND, {"TELEMETRY_RELEASE": "manual"}),
    Act("withdraw", ("ID", *REASON), (Kind.WITHDRAWN,), SEND),
    Act(
        "accept-without-receipt",
        ("ID", *REASON),
        (Kind.ACCEPTED_WITHOUT_RECEIPT,),
        SEND,
        {"TELEMETRY_RELEASE": "automatic", "TELEMETRY_REQUIRE_RECEIPT": "true"},
    ),
    Act(
        "bundle export",
        ("out.json",),
        (Kind.EXPORTED,),
        SEND,
        {"TELEMETRY_REQUIRE_RECEIPT": "false", "TELEMETRY_DELIVERY": "bundle"},
    ),
    Act("bundle import", ("receipts.json",), (Kind.IMPORTED,)),
    Act("restored", ("--anchor", "7" * 64), (Kind.RESTORED,), code=6),
    Act("restored", ("--open-period", "unsent"), (Kind.RESTORED,)),
    Act("restored", ("--hold",), (Kind.RESTORED,), code=6),
    Act("restored", ("--open-period", "unsent"), (Kind.RESTORED,)),
    Act("ledger rotate-key", (), RENEWED),
    Act(
        "rotate-keys",
        (),
        # One for each kind of secret that there is: the API key, and the customer IDs of payloads.
        (*RENEWED, Kind.SEALED_AGAIN, Kind.SEALED_AGAIN),
    ),
    Act("instance-id reset", ("--yes",), (Kind.INSTANCE_ID_RESET,)),
    Act("erase", ("--persons", "--yes"), (Kind.ERASED,)),
    Act("erase", ("--all", "--yes"), (Kind.ERASED,)),
)
"""One after the other, over one database."""
READS = {
    "config get": (),
    "preview": (),
    "history": (),
    "ledger verify": (),
    "ledger key": (),
    "doctor": (),
    "token list": (),
    "backup": ("copy.db",),
    "support-bundle": ("support.zip",),
}
"""Commands that change nothing, with their arguments."""


def test_every_command_that_changes_something_is_an_act_with_its_entries() -> None:
    walked = {act.command for act in ACTS} | set(READS) | OF_A_SOURCE
    assert set(names(make_cli())) == walked | NOT_OF_A_DATABASE | THEY_MAKE_ONE
    assert {act.command for act in ACTS} == {act.command for act in ACTS if act.kinds}
    assert not {act.command for act in ACTS} & set(READS)


@pytest.mark.long
@ON_BOTH
def test_each_act_is_its_entries_by_whoever_ran_the_command_and_what_only_reads_is_none(
    connected: CommandLine, license_server: LicenseServer, tmp_path: Path
) -> None:
    serves = license_server.server.mode
    url, person = connected.environment["TELEMETRY_DATABASE_URL"], f"cli ({command_actor().id})"
    for act in ACTS:
        connected.set(**act.settings)
        if act.command == "rotate-keys":
            connected.set(ENCRYPTION_KEY=f"{generate_key()},{connected.environment['ENCRYPTION_KEY']}")
        lacks_receipt = Kind.ACCEPTED_WITHOUT_RECEIPT in act.kinds
        license_server.server.mode = faults.accept_with() if lacks_receipt else serves
        for arguments in act.before:
            connected(*arguments)
        known = len(entries_of(url))
        ended = connected(*act.command.split(), *options_of(act, connected), stdin=act.stdin)
        assert ended.code == act.code, (act, ended)
        if act.command == "bundle export":
            (tmp_path / "receipts.json").write_bytes(license_server.take((tmp_path / "out.json").read_bytes()).content)
        written = [entry for entry in entries_of(url)[known:] if entry.kind not in SERVICES_OWN]
        assert [(it.kind, it.actor, it.source) for it in written] == [(kind, person, None) for kind in act.kinds], act
        of = [it.details["of"] for it in written if it.kind is Kind.SEALED_AGAIN]
        assert len(of) == len(set(of)), act
    before = dump(url)
    for command, arguments in READS.items():
        # What is not delivered is said, and of PostgreSQL pg_dump makes the backup.
        assert connected(*command.split(), *arguments).code in {0, 5} or command == "backup", command
        assert changed(before, dump(url)) == set(), command


def options_of(act: Act, cli: CommandLine) -> tuple[str, ...]:
    """Return its options; the latest transmission stands for ``ID``."""
    if "ID" not in act.options:
        return act.options
    newest: str = cli("history", "--json").json()["transmissions"][0]["transmission_id"]
    return tuple(newest if it == "ID" else it for it in act.options)


def test_a_hold_changes_what_it_is_for_and_nothing_is_sent(connection_changed: Changed) -> None:
    hold = COMMANDS["restored --hold"]
    before, known = dump(connection_changed.url), len(entries_of(connection_changed.url))
    assert hold.run(connection_changed.cli).code == hold.code
    assert changed(before, dump(connection_changed.url)) <= hold.writes
    assert_noted(connection_changed, known, hold)
    service = connection_changed.cli.service()
    assert wake(service.runtime).attempts == 0
    service.runtime.database.close()
