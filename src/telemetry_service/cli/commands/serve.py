"""``telemetry-service serve``."""

import os
import resource
import socket
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from ipaddress import ip_network
from typing import TYPE_CHECKING, Annotated

import typer

from telemetry_service import __version__
from telemetry_service.cli.listening import bound_to, is_loopback, listen
from telemetry_service.cli.loading import resume_collection
from telemetry_service.cli.signals import reloaded_on_sighup
from telemetry_service.cli.systemd import notify_awake
from telemetry_service.domain.errors import TelemetryError

if TYPE_CHECKING:
    from telemetry_service.service import Service
    from telemetry_service.settings import Settings
    from telemetry_service.web.metrics.metrics import Metrics

DEFAULT_PORT = 8080

Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65_535, help="The port to listen on; 0 lets the system choose.")]
Proxies = Annotated[
    list[str] | None,
    typer.Option(
        "--trusted-proxy",
        help=(
            "Address or network of a reverse proxy whose X-Forwarded-* headers are trusted, in addition to"
            " TELEMETRY_TRUSTED_PROXIES."
        ),
    ),
]


def serve(*, host: Host = "127.0.0.1", port: Port = DEFAULT_PORT, trusted_proxy: Proxies = None) -> None:
    """Run the service. One process runs the web pages, the REST API, and the schedule.

    SIGTERM stops it. SIGHUP lets it read the files of its settings again.
    """
    named = _addresses(trusted_proxy or ())
    from telemetry_service.settings import load_settings

    settings = load_settings(os.environ)
    proxies = (*settings.trusted_proxies, *named)
    settings = replace(settings, trusted_proxies=proxies)
    with listen(host, port) as listener, _metrics_listener(settings) as metrics_listener:
        _allow_many_files()
        from telemetry_service.app import make_app
        from telemetry_service.cli.reloading import Reloader
        from telemetry_service.cli.server import run_server
        from telemetry_service.log.events import Event
        from telemetry_service.log.setup import set_up_log
        from telemetry_service.log.write import log_event
        from telemetry_service.service import Options, open_service

        set_up_log(settings.log_level, settings.log_format, os.environ.get("JOURNAL_STREAM"))
        try:
            service = open_service(settings, Options(on_waking=notify_awake))
            _warn(settings, service)
            _warn_of_place(listener, settings)
        except TelemetryError as error:
            log_event(Event.START_FAILED, code=error.code)
            raise
        started = partial(
            log_event,
            Event.SERVICE_STARTED,
            version=__version__,
            database=service.runtime.database.kind,
            listening=bound_to(listener),
            metrics_listening=bound_to(metrics_listener) if metrics_listener else None,
            log_level=settings.log_level,
        )
        app = make_app(service)
        resume_collection()
        reloading = reloaded_on_sighup(Reloader(service, settings.log_level).reload)
        with reloading, _metrics_served(metrics_listener, app.state.context.metrics):
            run_server(app, listener, started, proxies)
        log_event(Event.SERVICE_STOPPED)


def _metrics_listener(settings: "Settings") -> AbstractContextManager[socket.socket | None]:
    """Listen on the metrics' port, if the deployment wants one."""
    if settings.metrics_port is None:
        return nullcontext()
    return listen(settings.metrics_address, settings.metrics_port, "TELEMETRY_METRICS_PORT")


def _metrics_served(listener: socket.socket | None, metrics: "Metrics") -> AbstractContextManager[None]:
    if listener is None:
        return nullcontext()
    from telemetry_service.web.metrics.port import metrics_port

    return metrics_port(listener, metrics.registry)


def _warn(settings: "Settings", service: "Service") -> None:
    from telemetry_service.log.start_warnings import StartWarning, warn_of

    if settings.ephemeral_keys:
        warn_of(StartWarning.EPHEMERAL_KEYS)
    if not (service.authentication.accounts.exist() or service.authentication.has_other_ways):
        warn_of(StartWarning.NO_ADMINISTRATOR)


def _warn_of_place(listener: socket.socket, settings: "Settings") -> None:
    from telemetry_service.domain.addresses import may_hold_people
    from telemetry_service.log.start_warnings import StartWarning, warn_of

    public = settings.public_url
    local = is_loopback(listener)
    if public is None and (settings.trusted_proxies or not local):
        warn_of(StartWarning.PUBLIC_URL_MISSING)
    if not local and not settings.trusted_proxies and not (public and public.secure):
        warn_of(StartWarning.COOKIES_NOT_SECURE)
    if any(may_hold_people(network) for network in settings.trusted_proxies):
        warn_of(StartWarning.PROXIES_NOT_EXACT)


def _allow_many_files() -> None:
    """Raise the limit of open files to its maximum: each connection is one, and the usual 1,024 are few."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with suppress(OSError, ValueError):  # Some systems report a higher limit than they allow.
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _addresses(given: Sequence[str]) -> Sequence[str]:
    """Return the addresses and networks. A name is refused, because anyone who controls its DNS would be trusted."""
    for one in given:
        try:
            ip_network(one)
        except ValueError:
            message = "must be an IP address, or a network such as 10.0.0.0/8."
            raise typer.BadParameter(message, param_hint="--trusted-proxy") from None
    return given
