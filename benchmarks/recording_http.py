"""Recording over HTTP against the bare driver doing the same durable inserts, in the same run.

The whole path of a report: request, token, strict validation, shared commit, response. The service runs
in its own process, and so does each half of the callers, on the same machine: what the callers
cost is taken from the service. Run it with ``python -m benchmarks.recording_http``.
"""

import argparse
import itertools
import json
import multiprocessing
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection  # noqa: TID251 - the callers' side; it takes no part in the service
from multiprocessing.synchronize import Event

import uvicorn

from benchmarks.recording import BATCHES, Call, bare_postgresql, bare_sqlite, make_calls, through_driver, timed
from benchmarks.setting import KINDS, durable_databases, make_runtime, median_ratio
from telemetry_service.app import create_app
from telemetry_service.identity.scopes import Scope
from telemetry_service.sealing.keyring import generate_key
from telemetry_service.service import Options, open_service
from telemetry_service.settings import load_settings
from tests.support.actors import CLI

CALLERS = (1, 16)


def serve(environ: dict[str, str], listener: socket.socket, stop: Event) -> None:
    """Run the service on ``listener`` until ``stop``."""
    app = create_app(load_settings(environ), Options(scheduled=False))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))

    def watch() -> None:
        stop.wait()
        server.should_exit = True

    threading.Thread(target=watch, daemon=True).start()
    server.run(sockets=[listener])


def through_http(port: int, token: str, calls: list[Call], callers: int) -> float:
    """Return the seconds until all calls had their responses; each caller keeps its connection."""
    bodies = [json.dumps({"reports": [{**r, "report_id": str(r["report_id"])} for r in call]}) for call in calls]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    local = threading.local()

    def post(body: str) -> None:
        if not hasattr(local, "connection"):
            local.connection = HTTPConnection("127.0.0.1", port)
        local.connection.request("POST", "/api/v1/usage", body, headers)
        response = local.connection.getresponse()
        text = response.read()
        if response.status != 200:
            raise SystemExit(text.decode())

    with ThreadPoolExecutor(callers) as pool:
        return timed(lambda: list(pool.map(post, bodies)))


def wait_for(port: int) -> None:
    """Wait until the service responds."""
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
                if b"alive" in b"".join(iter(lambda: connection.recv(4096), b"")):
                    return
        except OSError:
            time.sleep(0.1)


def main() -> None:
    """Measure and print a table of ratios: above 1 the service is faster than the bare driver."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--reports", type=int, default=20_000, help="reports in a round of large batches")
    options = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    print("reports per second, service over HTTP / bare driver: median (range) over", options.rounds, "paired rounds")
    print(f"{'database':<12}{'batch':>6}{'callers':>9}   ratio")
    for kind in KINDS:
        bare = bare_sqlite if kind == "sqlite" else bare_postgresql
        with durable_databases(kind) as make_url, socket.create_server(("127.0.0.1", 0)) as listener:
            bare_url = make_url()
            make_runtime(bare_url).database.close()
            environ = {
                "ENCRYPTION_KEY": generate_key(),
                "CREDENTIAL_ENCRYPTION_KEY": generate_key(),
                "TELEMETRY_DATABASE_URL": make_url(),
            }
            service = open_service(load_settings(environ), Options(scheduled=False))
            token = service.authentication.tokens.create("benchmark", {Scope.REPORT}, CLI).token
            service.runtime.database.close()
            stop = spawn.Event()
            process = spawn.Process(target=serve, args=(environ, listener, stop))
            process.start()
            port = listener.getsockname()[1]
            wait_for(port)
            for batch, callers in itertools.product(BATCHES, CALLERS):
                calls = max(callers * 4, min(400, options.reports // batch))
                with bare(bare_url) as write:
                    pairs = [
                        (through_driver(write, make_calls(batch, calls)), through_http(port, token, ours, callers))
                        for ours in (make_calls(batch, calls) for _ in range(options.rounds))
                    ]
                print(f"{kind:<12}{batch:>6}{callers:>9}   {median_ratio(pairs)}", flush=True)
            stop.set()
            process.join()


if __name__ == "__main__":
    main()
