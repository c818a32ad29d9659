"""The page over HTTP, REST and the command line say one thing at one moment."""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from telemetry_service.domain.clock import SystemClock
from telemetry_service.identity.scopes import Scope
from telemetry_service.pipeline.actions.configure import remove_api_key
from telemetry_service.web.tab.labels import CONNECTION_BADGE, HEALTH
from tests.browser.console import TAB, Console, Deployed
from tests.cli.conftest import CommandLine
from tests.support.actors import ADMIN, CLI
from tests.support.license_server import LicenseServer, Trouble, reply
from tests.support.shared_clock import SharedClock

MACHINE = SystemClock()
"""The clock of the command line."""
_LOOKS = 3
"""Distances are in minutes: one may end between two reads, but hardly each time."""


@dataclass(frozen=True, slots=True)
class State:
    """A state with a word of its health that shows that it was reached."""

    begin: Callable[[Console], None]
    code: str
    ago: timedelta = timedelta(hours=1)
    deployed: Deployed = Deployed()  # noqa: RUF009 - frozen


def fresh(_console: Console) -> None:
    """Leave it without an API key."""


def failed(status: int) -> Callable[[Console], None]:
    def begin(console: Console) -> None:
        console.set_key()
        console.server.trouble(Trouble(before=reply(status)))
        console.send()
        console.server.trouble()

    return begin


def off(console: Console) -> None:
    failed(503)(console)
    console.configure(enabled=False)


def keyless(console: Console) -> None:
    failed(503)(console)
    remove_api_key(console.runtime, ADMIN)


def rejected(console: Console) -> None:
    failed(422)(console)
    console.send()


def healthy(console: Console) -> None:
    console.set_key()
    console.send()


def missed(console: Console) -> None:
    with console.runtime.database.write() as tx:
        tx.schedule.plan(console.clock.now())
    console.wake()


def catching_up(console: Console) -> None:
    missed(console)
    console.set_key()


def planned(console: Console, at: timedelta) -> None:
    healthy(console)
    with console.runtime.database.write() as tx:
        tx.schedule.plan(MACHINE.now() + at)


STATES = {
    "fresh": State(fresh, "api_key_missing"),
    "off": State(off, "disabled"),
    "locked off": State(failed(503), "disabled_by_deployment", deployed=Deployed(enabled=False)),
    "key removed": State(keyless, "api_key_missing"),
    "outage, retry due": State(failed(503), "busy"),
    "held": State(failed(401), "api_key_not_accepted"),
    "rejected": State(rejected, "waiting_rejected"),
    "overdue": State(lambda console: planned(console, timedelta(hours=-3)), "run_overdue"),
    "run missed": State(missed, "api_key_missing"),
    "run missed, key saved": State(catching_up, "run_catching_up"),
    "healthy": State(healthy, "ok"),
    "on schedule": State(lambda console: planned(console, timedelta(days=2)), "on_schedule", timedelta(days=9)),
}


@dataclass(frozen=True, slots=True)
class Said:
    """What one look at every interface has found."""

    page: str
    drawer: str
    health: dict[str, Any]
    preview: dict[str, Any]
    history: dict[str, Any]
    config: dict[str, Any]
    printed_preview: dict[str, Any]
    printed_history: dict[str, Any]
    doctor: str


@pytest.mark.parametrize("name", STATES)
def test_page_rest_and_command_line_say_one_thing(
    bare: CommandLine, sqlite_url: str, tmp_path: Path, name: str
) -> None:
    state = STATES[name]
    clock = SharedClock(tmp_path / "clock", MACHINE.now() - state.ago)
    with LicenseServer(tmp_path / "license-server", clock) as server:
        with Console(sqlite_url, clock, server) as console:
            console.register_pairs(2)
            state.begin(console)
        clock.set(MACHINE.now())
        with Console(sqlite_url, clock, server, state.deployed) as console:
            console.report(2)
            bare.set(**console.environment)
            faults = compare(look(bare, console))
            for _ in range(_LOOKS - 1):
                faults = faults and compare(look(bare, console))
            said = look(bare, console)
    assert faults == []
    assert said.health["code"] == state.code


def look(cli: CommandLine, console: Console) -> Said:
    console.clock.set(MACHINE.now())
    token = console.app.state.context.authentication.tokens.create(uuid4().hex, [Scope.READ], CLI).token
    authorization = {"Authorization": f"Bearer {token}"}
    cookies = {"telemetry_session": console.session_cookie()}
    with (
        httpx.Client(base_url=f"{console.url}/api/v1/telemetry/", headers=authorization, trust_env=False) as rest,
        httpx.Client(cookies=cookies, trust_env=False) as browser,
    ):
        history = rest.get("history").json()
        rows = history["transmissions"]
        drawer = browser.get(f"{console.tab}/history/{rows[0]['transmission_id']}").text if rows else ""
        return Said(
            page=browser.get(console.url + TAB).text,
            drawer=drawer,
            health=rest.get("health").json(),
            preview=rest.get("preview").json(),
            history=history,
            config=rest.get("config").json(),
            printed_preview=cli("preview", "--json").json(),
            printed_history=cli("history", "--json").json(),
            doctor=next(f["sentence"] for f in cli("doctor", "--json", "--offline").json() if f["check"] == "health"),
        )


def compare(said: Said) -> list[tuple[str, object, object]]:
    """Return what differs: what it is, on the page or by the command line, and by REST."""
    pairs = [*_health(said), *_figures(said), *_moments(said), *_rows(said), *_documents(said)]
    return [pair for pair in pairs if pair[1] != pair[2]]


def _health(said: Said) -> list[tuple[str, object, object]]:
    health, section = said.health, section_of(said.page, "health")
    lines = re.search(r'<div class="lines">(.*?)</div>', section, re.DOTALL)
    assert lines is not None
    cause, step = re.findall(r"<p[^>]*>(.*?)</p>", lines[1], re.DOTALL)
    owner = health["owner"]
    wanted = health["next_step"] if owner == "nobody" else f"Next step · {health['next_step']} {owner}"
    badge = next(found.word for badge, found in CONNECTION_BADGE.items() if badge.value == health["license_server"])
    state = next(found.word for status, found in HEALTH.items() if status.value == health["status"])
    title = re.search(r'<p class="state" id="health-title">(.*?)</p>', section, re.DOTALL)
    assert title is not None
    return [
        ("state", text_of(title[1]), state),
        ("cause", text_of(cause), health["cause"]),
        ("next step", text_of(step), wanted),
        ("badge", f"License Server: {badge}" in text_of(section), True),
        ("run note", bool(health["run_note"]), "The latest run created no payload" in text_of(section)),
        ("connected", health["connected"], {"connected": True, "not connected": False}.get(badge)),
    ]


def _figures(said: Said) -> list[tuple[str, object, object]]:
    shown = {name: values[0] for name, values in facts_of(section_of(said.page, "preview")).items()}
    figures = said.preview["figures"]
    state = next(found.word for status, found in HEALTH.items() if status.value == figures["health_status"])
    wanted = {
        "Total Events": str(figures["total_events"]),
        "Sandbox Events": str(figures["sandbox_events"]),
        "Production Events": str(figures["production_events"]),
        "Active Bouncers": str(figures["active_bouncers"]),
        "Policy Decisions": str(figures["policy_decisions"]),
        "Health Status": state,
    }
    assert figures["total_events"] > 0
    note = said.preview["note"] in text_of(section_of(said.page, "preview"))
    payload = said.preview["payload"]
    return [
        ("figures", shown, wanted),
        ("state", figures["health_status"], said.health["status"]),
        ("preview note", note, True),
        ("payload", payload["bouncer_count"], figures["active_bouncers"]),
        ("payload", payload["total_events"], figures["total_events"]),
        ("payload", payload["health_status"], figures["health_status"]),
    ]


def _moments(said: Said) -> list[tuple[str, object, object]]:
    section, health = section_of(said.page, "health"), said.health
    pairs: list[tuple[str, object, object]] = [
        ("waiting", health["waiting"], sum(t["accepted_at"] is None for t in said.history["transmissions"])),
        ("next run of the configuration", said.config["next_run_at"], health["next_run_at"]),
        ("next send of the configuration", said.config["next_send_at"], health["next_send_at"]),
    ]
    if health["code"] == "api_key_missing":  # The first steps take their place.
        return [*pairs, ("first steps", 'class="checklist"' in section, True)]
    facts = facts_of(section)
    return [
        *pairs,
        ("last accepted", facts["Last accepted"][0], shown(health["last_accepted_at"], "Never")),
        ("next run", facts["Next run"][0], shown(health["next_run_at"], "None")),
        ("next run note", health["next_run_note"] in ("", *facts["Next run"]), True),
        ("next send", facts["Next send"][0], shown(health["next_send_at"], "None")),
        ("next send note", facts["Next send"][-1], health["next_send_note"]),
        ("waiting", facts["Payloads waiting"][0].split()[0], str(health["waiting"])),
        ("waiting note", facts["Payloads waiting"][1], health["waiting_note"]),
    ]


def _rows(said: Said) -> list[tuple[str, object, object]]:
    rows = said.history["transmissions"]
    found = re.findall(
        r"<tr role=\"row\" data-row>\s*<th scope=\"row\".*?</tr>", section_of(said.page, "history"), re.DOTALL
    )
    pairs: list[tuple[str, object, object]] = [("rows", len(found), len(rows))]
    for row, response in zip(found, rows, strict=False):
        note = re.search(r'<span class="note">(.*?)</span>', row)
        pairs.append(("row's note", text_of(note[1]) if note else "", response["note"]))
    for response in rows[:1]:
        drawer = text_of(said.drawer)
        wanted = response["next_attempt_note"] or shown(response["next_attempt_at"], "")
        pairs.append(("drawer's next attempt", f"Next attempt {wanted}" in drawer, bool(wanted)))
        if response["cause"]:
            step = f"{response['cause']['sentence']} Next step · {response['cause']['next_step']}"
            pairs.append(("drawer's cause", f"Error Details {step}" in drawer, True))
    return pairs


def _documents(said: Said) -> list[tuple[str, object, object]]:
    health = said.health
    sentence = " ".join(part for part in (health["cause"], health["next_step"], health["run_note"]) if part)
    names = ("figures", "note", "health", "enabled")
    return [
        ("doctor", said.doctor, sentence),
        ("history", said.printed_history, said.history),
        *((name, said.printed_preview[name], said.preview[name]) for name in names),
        *((name, said.preview["health"][name], health[name]) for name in said.preview["health"]),
    ]


def section_of(page: str, name: str) -> str:
    found = re.search(rf'<section class="card" id="{name}".*?</section>', page, re.DOTALL)
    assert found is not None, name
    return found[0]


def facts_of(section: str) -> dict[str, list[str]]:
    """Return each term of the section's list with its texts."""
    terms = re.findall(r"<div>\s*<dt>(.*?)</dt>(.*?)</div>", section, re.DOTALL)
    return {name: [text_of(it) for it in re.findall(r"<dd[^>]*>(.*?)</dd>", rest, re.DOTALL)] for name, rest in terms}


def text_of(markup: str) -> str:
    """Return the words of a piece of a page."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", markup)).split())


def shown(moment: str | None, without: str) -> str:
    """Return how the page writes a moment of REST."""
    if moment is None:
        return without
    at = datetime.fromisoformat(moment).astimezone(UTC)
    return f"{at.day} {at:%b %Y, %H:%M} UTC"
