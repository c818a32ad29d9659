"""The commands of deploy/README.md, under a booted systemd: a service that runs, and in which one can log in."""

import re
from pathlib import Path

from tests.rehearsal.machine import needs_to_boot, on_a_bare_machine, repository
from tests.support.pages import DEPLOY, commands

_BEFORE = """
set -x
export HOME=/root
git config --global --add safe.directory '*'
git clone --quiet /rehearsal/repository.git /srv/telemetry
cd /srv/telemetry
log_in() {
  curl --silent --output /dev/null --write-out "login with $2: %{http_code}\\n" http://127.0.0.1:8080/login \\
    -H 'Origin: http://127.0.0.1:8080' --data-urlencode name=admin --data-urlencode "password=$1"
}
"""
_AFTER = """
log_in "$(cat /etc/telemetry/admin_password)" "the first password"
echo 'a lantern under 7 quartz plums' | as_the_service admin set-password --stdin
log_in 'a lantern under 7 quartz plums' 'the new password'
log_in "$(cat /etc/telemetry/admin_password)" 'the former one'

main() { systemctl show --property=MainPID --value control-core-telemetry; }
before=$(main)
systemctl reload control-core-telemetry
kill -USR1 "$before"
sleep 3
[ "$before" = "$(main)" ] && echo 'SIGHUP and SIGUSR1 end nothing'
kill -KILL "$before"
sleep 15
systemctl is-active control-core-telemetry
log_in 'a lantern under 7 quartz plums' 'the new password after a kill'
stat --format='the database: %u %a' /var/lib/private/telemetry/data/telemetry.db
systemd-analyze verify /etc/systemd/system/control-core-telemetry.service
systemd-analyze security control-core-telemetry --no-pager | tail --lines=1
systemctl stop control-core-telemetry
systemctl show --property=Result control-core-telemetry
journalctl --unit control-core-telemetry --output cat
"""


def test_the_service_runs_and_one_can_log_in(tmp_path: Path) -> None:
    needs_to_boot()
    repository(tmp_path)
    install, as_the_service = (commands(DEPLOY, "## systemd\n", number) for number in (0, 1))
    # There is no terminal: the last command asks for a password, and is given one above.
    as_the_service = as_the_service.partition("as_the_service admin set-password")[0]
    wrote = on_a_bare_machine(tmp_path, _BEFORE + install + as_the_service + _AFTER, seconds=900)
    for line in (
        "login with the first password: 303",
        "login with the new password: 303",
        "login with the former one: 401",
        "SIGHUP and SIGUSR1 end nothing",
        "login with the new password after a kill: 303",
        "Result=success",
    ):
        assert line in wrote.splitlines(), wrote
    assert "\ncct_" in wrote, "the token is alone on its line"
    assert re.search(r"^the database: 6\d{4} 600$", wrote, re.MULTILINE), "it belongs to the unit's dynamic user alone"
    for event in ("settings_reloaded", "service_started", "service_stopped"):
        assert f'"event": "{event}"' in wrote, event
    assert "OK :-)" in wrote
