"""The participants of the demo's story, and its clock."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from control_core_telemetry_reporter import Reporter
from telemetry_service.cli.demo.control_plane import CallFailedError, ControlPlane
from telemetry_service.cli.demo.fleet import Usage
from telemetry_service.cli.demo.offset_clock import OffsetClock
from telemetry_service.reference.background import ReferenceProcess

_FLUSH_SECONDS = 60


@dataclass(frozen=True, slots=True)
class World:
    """The installation as other services see it."""

    clock: OffsetClock
    license_server: ReferenceProcess
    control_plane: ControlPlane
    """The service that registers bouncers and reports the license."""
    reporter: Reporter
    """The services that count."""
    administrator: ControlPlane
    wake: Callable[[], object]
    """What the schedule does every few seconds."""
    random: Random

    def report(self, counted: Iterable[Usage]) -> None:
        """Report what was counted, now.

        Raises:
            CallFailedError: the service did not take all of it.
        """
        for usage in counted:
            self.reporter.count(
                usage.bouncer_id,
                usage.environment,
                audit_events=usage.audit_events,
                policy_decisions=usage.policy_decisions,
                successful_decisions=usage.successful_decisions,
            )
        if not self.reporter.flush(_FLUSH_SECONDS):
            message = f"the usage was not taken: {self.reporter.statistics.trouble}"
            raise CallFailedError(message)

    def set_license_server_clock(self) -> None:
        """Set the License Server to the same time, because it refuses messages from a different one."""
        self.license_server.set_clock(self.clock.offset)

    def return_to_present(self) -> None:
        """End the story: reset the License Server's clock."""
        self.license_server.set_clock(timedelta(0))


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at a given time."""

    at: datetime
    happen: Callable[[World], object]
    sends: bool = False
    """Whether it reaches the License Server."""


def live(world: World, events: list[Event], until: datetime) -> None:
    """Play all events before ``until``, in order."""
    for event in sorted(events, key=lambda event: event.at):
        if event.at >= until:
            return
        world.clock.set_to(event.at)
        if event.sends:
            world.set_license_server_clock()
        event.happen(world)
