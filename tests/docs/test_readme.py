"""A stranger can follow the README: commands run as they stand there, every setting is named, links lead somewhere."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from telemetry_service.cli.command_line import make_cli
from telemetry_service.settings import KNOWN_VARIABLES
from tests.support.program import Program

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PROMISE = "**Nothing is sent that is not on the list.**"
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "deploy" / "README.md"]


def test_the_table_of_settings_has_every_variable_and_says_which_come_from_files() -> None:
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| (file)? ?\|", README, re.MULTILINE))
    plain = {name for name in KNOWN_VARIABLES if name.removesuffix("_FILE") not in KNOWN_VARIABLES - {name}}
    assert set(rows) == plain
    assert {name for name, file in rows.items() if file} == {
        name for name in plain if f"{name}_FILE" in KNOWN_VARIABLES
    }


def test_the_table_of_commands_has_every_command() -> None:
    rows = README.partition("## Command line\n")[2].partition("\n## ")[0]
    groups = {group.name: group.typer_instance for group in make_cli().registered_groups}
    for command in make_cli().registered_commands:
        assert f"`{command.name}`" in rows, command.name
    for name, group in groups.items():
        assert group is not None
        assert any(f"`{name} {command.name}" in rows for command in group.registered_commands), name


API = (ROOT / "docs" / "api.md").read_text()


@pytest.mark.timeout(400)
def test_the_rest_quick_start_and_the_page_of_the_api_work_against_the_demo_as_they_stand(tmp_path: Path) -> None:
    quick_start = README.partition("## REST quick start\n")[2].partition("\n## ")[0]
    commands = "".join(re.findall(r"```sh\n(.*?)```", quick_start + API, re.DOTALL))
    assert commands.count("curl ") >= 20
    with Program("demo", "--port", "0", folder=tmp_path) as demo:
        printed = demo.wait_for_output("Press Ctrl-C to stop it")
        (address,) = set(re.findall(r"http://127\.0\.0\.1:\d+", printed))
        # Only the port is different, and curl fails if it is refused.
        script = commands.replace("http://127.0.0.1:8080", address).replace("curl -s", "curl --fail -s")
        ended = subprocess.run(
            ["/bin/bash", "-c", f"set -eo pipefail\n{script}"],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert ended.returncode == 0, ended.stderr
    assert '{"accepted":1,"duplicates":0,"reportable":true,"warnings":[]}' in ended.stdout
    assert '"status":"success"' in ended.stdout
    assert '"frequency":"weekly"' in ended.stdout
    for said in ("idempotency-replayed: true", '"events_never_sent":', '"removed":[', '"updates_cursor":"changed-'):
        assert said in ended.stdout, said
    exported = (tmp_path / "transmissions.jsonl").read_text().splitlines()
    assert len(exported) > 5
    assert all(json.loads(line)["attempts"] for line in exported)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text()
    pictures = re.findall(r'src(?:set)?="([^"/][^"]*)"', text)
    for target in [*re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text), *pictures]:
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_anchor_is_a_heading(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text()):
        text = (page.parent / target).read_text() if target else page.read_text()
        headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        assert anchor in {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_wherever_the_first_promise_is_made_the_string_that_somebody_else_chooses_is_named() -> None:
    pages = [page for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")) if PROMISE in page.read_text()]
    assert {page.name for page in pages} >= {"README.md", "SECURITY.md"}
    for page in pages:
        paragraph = page.read_text().partition(PROMISE)[2].partition("**Nothing is lost")[0]
        assert "extension codes" in " ".join(paragraph.split()), page.name
