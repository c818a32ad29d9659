"""What came of a run of the torture, for a reader and for a machine."""

import json
from collections import Counter
from dataclasses import dataclass, field

VERIFIED = "Verified."
"""The verifier's last line where all is right."""


@dataclass
class Report:
    """The counts of one run. ``lost`` and ``doubled`` are audit events, summed over all reckonings."""

    database: str
    replicas: int
    seconds: float = 0.0
    kills: Counter[str] = field(default_factory=Counter)
    """By the moment: ``at random``, ``while starting``, or at a failpoint."""
    faults: Counter[str] = field(default_factory=Counter)
    reckonings: int = 0
    reports_acknowledged: int = 0
    events_acknowledged: int = 0
    events_accepted: int = 0
    events_not_reported: int = 0
    transmissions_accepted: int = 0
    sent_again_and_recognized: int = 0
    """Transmissions that the License Server had already: each would have been counted twice without its id."""
    lost: int = 0
    doubled: int = 0
    withheld_wrongly: int = 0
    """Audit events that went into periods not reported while nobody switched telemetry off."""
    undelivered: int = 0
    """Transmissions and codes that were not shown as accepted although all was well at last."""
    other_payloads: int = 0
    """Transmissions of which the License Server has something else than the service keeps."""
    ids_with_two_payloads: int = 0
    codes_redeemed: int = 0
    codes_lost: int = 0
    codes_doubled: int = 0
    ledger_entries: int = 0
    ledger_problems: int = 0
    """What the verification of the whole ledger found, at each reckoning."""
    export_verdict: str = "none"
    """What the verifier said of an export, at the end."""
    unexpected_errors: int = 0
    damaged_database: int = 0

    @property
    def clean(self) -> bool:
        """Whether all promises were kept."""
        usage = (self.lost, self.doubled, self.withheld_wrongly)
        transmissions = (self.undelivered, self.ids_with_two_payloads, self.other_payloads)
        codes = (self.codes_lost, self.codes_doubled)
        ledger = (self.ledger_problems, not self.ledger_entries, self.export_verdict != VERIFIED)
        return not any((*usage, *transmissions, *codes, *ledger, self.unexpected_errors, self.damaged_database))

    def as_json(self) -> str:
        """Return the report as JSON."""
        counted = {"kills": dict(self.kills), "faults": dict(self.faults), "clean": self.clean}
        return json.dumps({**vars(self), **counted}, indent=2)

    def as_text(self) -> str:
        """Return the report as an aligned list."""
        lines = [
            (f"{self.database}, {self.replicas} processes on one database", f"{self.seconds / 60:.1f} min"),
            ("processes killed (SIGKILL)", f"{self.kills.total():,}"),
            *((f"  {name}", f"{number:,}") for name, number in self.kills.most_common()),
            ("faults besides", f"{self.faults.total():,}"),
            *((f"  {name}", f"{number:,}") for name, number in self.faults.most_common()),
            ("usage reports acknowledged", f"{self.reports_acknowledged:,}"),
            ("audit events acknowledged", f"{self.events_acknowledged:,}"),
            ("  in accepted transmissions", f"{self.events_accepted:,}"),
            ("  in periods not reported", f"{self.events_not_reported:,}"),
            ("transmissions accepted", f"{self.transmissions_accepted:,}"),
            ("  sent again and recognized by their id", f"{self.sent_again_and_recognized:,}"),
            ("extension codes accepted, each once", f"{self.codes_redeemed - self.codes_lost:,}"),
            ("reckonings of the whole equation", f"{self.reckonings:,}"),
            ("audit events lost", f"{self.lost:,}"),
            ("audit events doubled", f"{self.doubled:,}"),
            ("audit events withheld while telemetry was on", f"{self.withheld_wrongly:,}"),
            ("never delivered though all was well at last", f"{self.undelivered:,}"),
            ("ids with two payloads", f"{self.ids_with_two_payloads:,}"),
            ("payloads that arrived other than they are kept", f"{self.other_payloads:,}"),
            ("extension codes lost, doubled", f"{self.codes_lost:,}, {self.codes_doubled:,}"),
            ("ledger entries verified", f"{self.ledger_entries:,}"),
            ("problems in the ledger", f"{self.ledger_problems:,}"),
            ("an export, verified elsewhere", self.export_verdict),
            ("errors that are not our own", f"{self.unexpected_errors:,}"),
            ("database damaged", f"{self.damaged_database:,}"),
        ]
        return "\n".join(f"{name:<47}{value:>14}" for name, value in lines)
