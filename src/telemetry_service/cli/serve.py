"""``telemetry-service serve``."""

import resource
from collections.abc import Sequence
from ipaddress import ip_network
from typing import Annotated

import typer

from telemetry_service.cli.listening import listen, url_of
from telemetry_service.cli.opened import read_settings

DEFAULT_PORT = 8080

Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65_535, help="The port to listen on; 0 lets the system choose.")]
Proxies = Annotated[
    list[str] | None,
    typer.Option(
        "--trusted-proxy", help="Address or network of a reverse proxy whose X-Forwarded-* headers are believed."
    ),
]


def serve(*, host: Host = "127.0.0.1", port: Port = DEFAULT_PORT, trusted_proxy: Proxies = None) -> None:
    """Run the service: one process with the web, the REST API and the schedule. SIGTERM stops it."""
    proxies = _addresses(trusted_proxy or ())
    settings = read_settings()
    with listen(host, port) as listener:
        # The keys are in this process's memory, and a dump of it would be a file.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        import logging
        import logging.config

        from telemetry_service.app import make_app, open_service
        from telemetry_service.cli.server import run_server, until_told_to_stop
        from telemetry_service.web.logs import LOG_CONFIG

        logging.config.dictConfig(LOG_CONFIG)
        log = logging.getLogger(__name__)
        service = open_service(settings)
        if not service.entrance.accounts.exist():
            log.warning("nobody can log in yet; set a password with: telemetry-service admin set-password")
        address = url_of(listener)
        with until_told_to_stop():
            run_server(make_app(service), listener, lambda: log.info("listening on %s", address), proxies)


def _addresses(given: Sequence[str]) -> Sequence[str]:
    """Return the addresses and networks; a name is none, for whoever answers for the name would be believed."""
    for one in given:
        try:
            ip_network(one)
        except ValueError:
            message = "must be an IP address, or a network such as 10.0.0.0/8."
            raise typer.BadParameter(message, param_hint="--trusted-proxy") from None
    return given
