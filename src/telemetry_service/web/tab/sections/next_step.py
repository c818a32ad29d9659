"""What one can do about the state, as controls in the health card, and the steps of a fresh installation."""

from dataclasses import dataclass
from enum import StrEnum

from telemetry_service.domain.causes import Cause
from telemetry_service.domain.verdict import Verdict


class Control(StrEnum):
    """A control of the health card."""

    ENTER_KEY = "enter_key"
    TEST = "test"
    SEND = "send"
    RETRY = "retry"
    SHOW_FAILED = "show_failed"
    SHOW_WAITING = "show_waiting"
    SETTINGS = "settings"
    BUNDLES = "bundles"
    PROOF = "proof"


_BY_CODE: dict[str, tuple[Control, ...]] = {
    "disabled": (Control.SETTINGS,),
    "settings_changed": (Control.SETTINGS,),
    "api_key_missing": (Control.ENTER_KEY,),
    "api_key_unusable": (Control.ENTER_KEY,),
    Cause.API_KEY_NOT_ACCEPTED: (Control.ENTER_KEY, Control.TEST),
    "connection_untested": (Control.TEST,),
    "exchange_failed": (Control.TEST,),
    "waiting_rejected": (Control.RETRY, Control.SHOW_FAILED),
    "waiting_held": (Control.RETRY, Control.SHOW_FAILED),
    "receipt_missing": (Control.SHOW_FAILED,),
    "payload_changed": (Control.SHOW_FAILED, Control.PROOF),
    "awaiting_release": (Control.SHOW_WAITING,),
    "new_field": (Control.SHOW_WAITING,),
    "waiting_export": (Control.BUNDLES,),
    "waiting_receipts": (Control.BUNDLES,),
    "ledger_broken": (Control.PROOF,),
    "ledger_unverified": (Control.PROOF,),
    "overdue": (Control.SEND,),
    "on_schedule": (Control.SEND,),
}
_OF_A_CAUSE = (Control.RETRY, Control.SHOW_FAILED, Control.TEST)
_CAUSES = frozenset(cause.value for cause in Cause)


def controls(verdict: Verdict, failed: int) -> tuple[Control, ...]:
    """Return what can be done about the state now; ``failed`` is how many transmissions have failed."""
    code, may = verdict.health.code, verdict.may
    wanted = _BY_CODE.get(code, _OF_A_CAUSE if code in _CAUSES else ())
    barred = {
        Control.ENTER_KEY: verdict.situation.setup.key_locked,
        Control.RETRY: may.retry is not None or not failed,
        Control.SHOW_FAILED: not failed,
        Control.TEST: may.test_connection is not None,
        Control.SEND: may.send_now is not None,
        Control.BUNDLES: may.export_bundle is not None,
    }
    return tuple(one for one in wanted if not barred.get(one, False))


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a fresh installation."""

    word: str
    hint: str
    control: Control
    done: bool
    current: bool


def checklist(verdict: Verdict) -> tuple[Step, ...]:
    """Return the steps until the first accepted transmission; none once there was one, or where they do not apply."""
    setup, exchange = verdict.situation.setup, verdict.situation.exchange
    if verdict.situation.last_accepted_at is not None or not setup.enabled or setup.in_bundles:
        return ()
    has_key = setup.api_key and setup.api_key_usable
    if setup.restored or setup.unreadable or (setup.key_locked and not has_key):
        return ()
    done = (has_key, exchange is not None and exchange.ok, False)
    current = done.index(False)
    first = _KEY_OF_DEPLOYMENT if setup.key_locked else _STEPS[0]
    return tuple(Step(*step, done[index], index == current) for index, step in enumerate((first, *_STEPS[1:])))


_STEPS = (
    ("Enter the API key", "It authenticates your Control Plane with the License Server.", Control.ENTER_KEY),
    ("Test Connection", "Checks name, network, TLS, certificate, response, and API key.", Control.TEST),
    ("Send the first transmission", "Shows the payload first. Otherwise, the next run sends it.", Control.SEND),
)
_KEY_OF_DEPLOYMENT = ("API key", "The deployment sets it (TELEMETRY_API_KEY).", Control.ENTER_KEY)
