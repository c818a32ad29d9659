"""The participants of the demo's story, and its clock."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from telemetry_service.cli.demo.control_plane import ControlPlane
from telemetry_service.cli.demo.offset_clock import OffsetClock
from telemetry_service.reference.background import ReferenceProcess


@dataclass(frozen=True, slots=True)
class World:
    """The installation as other services see it."""

    clock: OffsetClock
    license_server: ReferenceProcess
    reporter: ControlPlane
    """The services that report."""
    administrator: ControlPlane
    wake: Callable[[], object]
    """What the schedule does every few seconds."""
    random: Random

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
