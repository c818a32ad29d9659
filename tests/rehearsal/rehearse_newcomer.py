"""From README.md alone, as a user without root, to the first accepted transmission: with the demo, and without."""

import re
from pathlib import Path

from tests.rehearsal.machine import needs_to_boot, on_a_bare_machine, repository
from tests.support.pages import README, commands

_AS_ROOT = """
useradd --create-home newcomer
chown -R newcomer: /rehearsal
runuser --user newcomer -- env -i HOME=/home/newcomer PATH=/usr/bin:/bin PIP_CERT="$PIP_CERT" \\
  bash -e -o pipefail /rehearsal/newcomer
"""
_CLONE = """
set -x
cd
git clone --quiet /rehearsal/repository.git telemetry
cd telemetry
"""
_DEMO = """
make demo > demo.log 2>&1 &
until grep --quiet 'Press Ctrl-C' demo.log; do sleep 1; kill -0 $! || { cat demo.log; exit 1; }; done
{quick_start}
kill -TERM $!    # The shell lets no job in the background see Ctrl-C.
wait $! || true
"""
_TRIAL = """
telemetry-service license-server > license-server.env 2> license-server.log &
until grep --quiet '^TELEMETRY_CUSTOMER_ID=' license-server.env; do sleep 1; done
set -a; . ./license-server.env; set +a
"""
_SEND = """
until curl --silent --fail http://127.0.0.1:8080/readyz; do sleep 1; done
telemetry-service api-key set --file license-server-data/api-key
telemetry-service send-now
telemetry-service doctor
git status --porcelain
echo 'The newcomer is done.'
"""


def test_a_newcomer_gets_to_an_accepted_transmission_with_the_demo_and_without(tmp_path: Path) -> None:
    needs_to_boot()
    repository(tmp_path)
    quick_start = "".join(commands(README, "## REST quick start\n", number) for number in (0, 1))
    quick_start = quick_start.replace("curl -s", "curl --fail -s")
    run_it = commands(README, "## Run it\n")
    # What is different: the password comes from no terminal, and the trial's License Server has another address.
    run_it = run_it.replace("admin set-password", "admin set-password --stdin <<< 'a lantern under 7 quartz plums'")
    run_it = re.sub(r"^export TELEMETRY_LICENSE_SERVER_URL=.*$", _TRIAL, run_it, flags=re.MULTILINE)
    run_it = re.sub(r"^(telemetry-service serve .*)$", r"\1 &", run_it, flags=re.MULTILINE)
    script = _CLONE + _DEMO.replace("{quick_start}", quick_start) + run_it + _SEND
    (tmp_path / "newcomer").write_text(script)
    wrote = on_a_bare_machine(tmp_path, _AS_ROOT, seconds=1500)
    assert '{"accepted":1,"duplicates":0,"reportable":true,"warnings":[]}' in wrote
    assert '"status":"success"' in wrote
    assert "The newcomer is done." in wrote.splitlines()
    assert re.search(r"accepted", wrote.partition("The newcomer")[0]), wrote
