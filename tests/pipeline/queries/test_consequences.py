"""What a save would lose is looked at in the transaction of the save, not before it."""

import pytest

from telemetry_service.domain.errors import ConfirmationRequiredError
from telemetry_service.pipeline.actions.configure import refuse_if_something_is_lost, save_configuration
from telemetry_service.pipeline.queries.configuration import read_configuration
from telemetry_service.pipeline.queries.consequences import read_consequences
from telemetry_service.pipeline.snapshot import read_now
from tests.support.actors import ADMIN
from tests.support.site import Site, usage


def test_what_is_counted_between_a_look_and_the_save_is_asked_about(site: Site) -> None:
    stored = read_now(site.runtime, read_configuration).stored
    off = stored.values.model_copy(update={"enabled": False})
    assert read_now(site.runtime, read_consequences, off).sentences == ()
    site.report(usage(7, decisions=3))
    with pytest.raises(ConfirmationRequiredError, match="7 audit events and 3 policy decisions will never be sent"):
        save_configuration(site.runtime, off, stored.version, ADMIN, check=refuse_if_something_is_lost)
    present = read_now(site.runtime, read_configuration)
    assert (present.enabled, present.stored.version) == (True, stored.version)
    save_configuration(site.runtime, off, stored.version, ADMIN)
    assert not read_now(site.runtime, read_configuration).enabled


def test_a_check_looks_at_what_is_saved_and_lets_pass_what_loses_nothing(site: Site) -> None:
    site.report(usage(7))
    stored = read_now(site.runtime, read_configuration).stored
    longer = stored.values.model_copy(update={"retention_days": 90, "encrypt_payload": False})
    saved = save_configuration(site.runtime, longer, stored.version, ADMIN, check=refuse_if_something_is_lost)
    assert saved.values == longer
