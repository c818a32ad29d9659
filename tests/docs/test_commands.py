"""Every command that operators are told to run is run by a test, as it is written there."""

import re
import shlex
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from telemetry_service.domain.clock import SystemClock
from telemetry_service.pipeline.stages.source.reading import read_up_to_now
from telemetry_service.settings import load_settings
from tests.cli.conftest import CommandLine, bare, cli, connected, license_server
from tests.settings.keys import VALID
from tests.support.databases import on_sqlite
from tests.support.dump import dump
from tests.support.source import decision, sqlite_audit_table

__all__ = ["bare", "cli", "connected", "license_server", "on_sqlite"]

ROOT = Path(__file__).parents[2]
HERE = "docs/test_commands.py"
RUN_BY: dict[tuple[str, str], str] = {
    ("README.md", "Try it"): "rehearsal/rehearse_newcomer.py",
    ("README.md", "REST quick start"): "docs/test_readme.py",
    ("README.md", "Run it"): "rehearsal/rehearse_newcomer.py",
    ("deploy/README.md", "systemd"): "rehearsal/rehearse_systemd.py",
    ("docs/air-gap.md", "Export"): "docs/test_air_gap.py",
    ("docs/air-gap.md", "Import"): "docs/test_air_gap.py",
    ("docs/air-gap.md", "The reference License Server"): "docs/test_air_gap.py",
    ("docs/api.md", "REST API"): "docs/test_readme.py",
    ("docs/api.md", "Reporting usage"): "docs/test_readme.py",
    ("docs/api.md", "Declaring what there should be"): "docs/test_readme.py",
    ("docs/api.md", "Sending, and repeating it"): "docs/test_readme.py",
    ("docs/api.md", "An archive"): "docs/test_readme.py",
    ("docs/integrating.md", "The first transmission"): "docs/test_integrating.py",
    ("docs/integrating.md", "With Node.js"): "docs/test_integrating.py",
    ("docs/integrating.md", "Counting from your own database"): HERE,
    ("docs/integrating.md", "What counts, and when"): HERE,
    ("docs/integrating.md", "Older rows"): HERE,
    ("docs/integrating.md", "If reading stops"): HERE,
    ("docs/integrating.md", "From nothing, without a click"): "docs/test_bring_up.py",
    ("docs/monitoring.md", "Scraping"): HERE,
    ("docs/operations.md", "When something is wrong"): HERE,
    ("docs/operations.md", "Settings of the deployment"): HERE,
    ("docs/operations.md", "Support bundle"): HERE,
    ("docs/operations.md", "PostgreSQL"): HERE,
    ("docs/operations.md", "Upgrading"): HERE,
    ("docs/operations.md", "Going back"): HERE,
    ("docs/operations.md", "Rotating keys"): "cli/test_rotate_keys.py",
    ("docs/operations.md", "The API key"): "web/test_sealed_values.py",
    ("docs/operations.md", "Backup"): "restore/test_restore_command.py",
    ("docs/operations.md", "Restore"): "restore/test_restore_command.py",
    ("docs/operations.md", "After a restore"): "restore/test_restore_command.py",
    ("docs/operations.md", "Moving to another database"): "restore/test_migrate_database.py",
    ("docs/proof.md", "Keep these elsewhere"): "docs/test_proof.py",
    ("docs/proof.md", "Verify it where it runs"): "docs/test_proof.py",
    ("docs/proof.md", "Verify it elsewhere"): "docs/test_proof.py",
    ("docs/proof.md", "Verify one transmission"): "docs/test_proof.py",
    ("docs/proof.md", "When keys are replaced"): "docs/test_proof.py",
    ("docs/protocol.md", "Conformance"): "protocol/test_commands.py",
    ("docs/protocol.md", "A License Server in Node.js"): "protocol/test_commands.py",
    ("docs/troubleshooting.md", "Troubleshooting"): HERE,
}
"""The blocks of commands in all pages for users, by their heading, and the file that runs them."""

READS = {
    "README.md": ("commands(README", 'README.partition("'),
    "deploy/README.md": ("commands(DEPLOY",),
    "docs/air-gap.md": ('"air-gap.md"',),
    "docs/api.md": ("quick_start + API",),
    "docs/integrating.md": ("blocks(",),
    "docs/operations.md": ("shell_of(",),
    "docs/proof.md": ('"proof.md"',),
    "docs/protocol.md": ("commands(",),
}
"""How a file takes the commands from the page."""

NOT_RUN = {
    ("README.md", "How it is tested"): "these are the tests, and the long runs",
    (
        "deploy/README.md",
        "The secrets",
    ): "it takes Docker's daemon; the rehearsal of the image does the same with Podman",
    ("deploy/README.md", "Compose"): "the same; Compose itself reads the files in deploy/test_compose.py",
    ("deploy/README.md", "Compose with PostgreSQL and two replicas"): "the same",
    ("deploy/README.md", "Kubernetes"): "it takes a cluster; Helm renders the chart in deploy/test_helm.py",
}


def blocks(page: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each heading with its commands; a line that continues is one command."""
    pattern = re.compile(r"^#+ (?P<heading>[^\n]*)$|^```sh\n(?P<block>.*?)^```", re.MULTILINE | re.DOTALL)
    heading = ""
    for found in pattern.finditer((ROOT / page).read_text()):
        if found["heading"] is not None:
            heading = found["heading"]
        else:
            yield heading, found["block"].replace("\\\n", "").splitlines()


def commands(page: str, wanted: str) -> list[list[str]]:
    """Return the arguments of the program's own commands below a heading."""
    lines = [line for heading, block in blocks(page) if heading == wanted for line in block]
    found = [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("telemetry-service ")]
    assert found
    return found


def test_every_block_of_commands_is_run_by_a_file_of_tests() -> None:
    pages = [ROOT / "README.md", ROOT / "deploy" / "README.md", *(ROOT / "docs").glob("*.md")]
    named = [str(page.relative_to(ROOT)) for page in pages]
    assert {(page, heading) for page in named for heading, _ in blocks(page)} == RUN_BY.keys() | NOT_RUN.keys()
    for (page, heading), file in RUN_BY.items():
        text = (ROOT / "tests" / file).read_text()
        assert file == HERE or any(one in text for one in READS[page]), (page, heading, file)


@pytest.mark.parametrize("page", ["docs/monitoring.md", "docs/troubleshooting.md"])
def test_the_commands_of_a_page_run(connected: CommandLine, page: str) -> None:
    for heading, _ in blocks(page):
        for command in commands(page, heading):
            assert connected(*command).code == 0, command


def test_the_commands_for_an_incident_change_nothing_but_the_one_that_the_page_names(
    connected: CommandLine, tmp_path: Path
) -> None:
    assert connected("send-now").code == 0
    changed, before = set(), dump(connected.environment["TELEMETRY_DATABASE_URL"])
    for command in commands("docs/operations.md", "When something is wrong"):
        ended = connected(*command)
        assert (ended.code, bool(ended.out + ended.err)) == (0, True), (command, ended)
        after = dump(connected.environment["TELEMETRY_DATABASE_URL"])
        changed |= {command[0]} if after != before else set()
        before = after
    assert changed == {"test-connection"}
    assert (tmp_path / "support.zip").exists()


def test_the_commands_of_the_support_bundle_write_it(connected: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "service.log").write_text("")
    for command in commands("docs/operations.md", "Support bundle"):
        ended = connected(*command)
        assert ended.code == 0, (command, ended)
    assert (tmp_path / "support.zip").exists()


def test_an_upgrade_and_the_way_back_run_as_they_are_written(connected: CommandLine) -> None:
    for heading in ("Upgrading", "Going back"):
        for command in commands("docs/operations.md", heading):
            ended = connected(*command)
            assert ended.code == 0, (command, ended)


def test_scripts_can_set_what_the_deployment_leaves_open(connected: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "api_key").write_text("ck_test_another_9Kq3mTzYx7")
    for command in commands("docs/operations.md", "Settings of the deployment"):
        here = [argument.replace("/run/secrets", str(tmp_path)) for argument in command]
        ended = connected(*here, *(["--yes"] if here[:2] == ["config", "set"] else []))
        assert ended.code == 0, (here, ended)


def test_the_urls_of_databases_are_such_that_the_service_takes_them() -> None:
    for page, wanted in (
        ("docs/operations.md", "PostgreSQL"),
        ("docs/integrating.md", "Counting from your own database"),
    ):
        ((line,),) = (block for heading, block in blocks(page) if heading == wanted)
        name, _, value = line.partition("=")
        settings = load_settings(VALID | {name: value})
        found = settings.database_url if name == "TELEMETRY_DATABASE_URL" else settings.source_database_url
        assert found is not None
        assert found.get_secret_value().startswith("postgresql")


def test_the_commands_about_a_source_run_in_the_order_of_the_page(cli: CommandLine, tmp_path: Path) -> None:
    audit = sqlite_audit_table(tmp_path)
    audit.write(decision(), at=SystemClock().now() - timedelta(days=1))
    cli.set(TELEMETRY_SOURCE_DATABASE_URL=audit.reader_url)
    service = cli.service()
    read_up_to_now(service.runtime)
    service.stop()
    for heading in ("What counts, and when", "Older rows", "If reading stops"):
        (command,) = commands("docs/integrating.md", heading)
        here = [argument.replace("2026-11-01", "2020-01-01") for argument in command]
        ended = cli(*here, *([] if "check" in command else ["--yes"]))
        assert ended.code == 0, (command, ended)


def test_every_target_of_make_that_a_page_names_is_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        name
        for page in {page for page, _ in RUN_BY | NOT_RUN}
        for _, block in blocks(page)
        for line in block
        for name in re.findall(r"^make (?:-C \S+ )?([a-z]+)", line)
    }
    assert named >= {"demo", "test", "check", "package", "image"}
    assert named <= targets
