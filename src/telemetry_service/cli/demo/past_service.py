"""The service in the demo's past: the same service, on a clock that is set back."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread

from telemetry_service.app import make_app
from telemetry_service.cli.demo.offset_clock import OffsetClock
from telemetry_service.cli.listening import listen, url_of
from telemetry_service.cli.open_service import command_actor
from telemetry_service.cli.server import server_for
from telemetry_service.identity.scopes import Scope
from telemetry_service.service import Options, Service, open_service
from telemetry_service.settings import Settings

_START_SECONDS = 60


@dataclass(frozen=True, slots=True)
class PastService:
    """A running service whose schedule wakes when the story says so."""

    service: Service
    url: str

    def make_token(self, name: str, *scopes: Scope) -> str:
        """Create a service token."""
        return self.service.authentication.tokens.create(name, scopes, command_actor()).token


@contextmanager
def past_service(settings: Settings, clock: OffsetClock) -> Iterator[PastService]:
    """Run the service on ``clock``, in a thread, on a port of this machine that the system chooses."""
    service = open_service(settings, Options(clock=clock, scheduled=False))
    ready = Event()
    with listen("127.0.0.1", 0) as listener:
        url = url_of(listener)
        server = server_for(make_app(service), listener, ready.set)
        thread = Thread(target=server.run, args=([listener],), name="past-service")
        thread.start()
        try:
            if not ready.wait(_START_SECONDS):
                raise TimeoutError
            yield PastService(service, url)
        finally:
            server.should_exit = True
            thread.join()
