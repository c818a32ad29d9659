"""What the License Server does wrong while the replicas are being killed."""

from random import Random

from tests.support import faults
from tests.support.license_server import NO_TROUBLE, LicenseServer, Trouble, hang, reply, reset

TROUBLES: dict[str, Trouble] = {
    "License Server: 503": Trouble(before=reply(503)),
    "License Server: 429 with Retry-After": Trouble(before=reply(429, Retry_After="120")),
    "License Server: 401": Trouble(before=reply(401)),
    "License Server: 422": Trouble(before=reply(422)),
    "License Server: redirect": Trouble(before=reply(302, Location="https://127.0.0.1:9/")),
    "License Server: reset before storing": Trouble(before=reset),
    "License Server: reset after storing": Trouble(after=reset),
    "License Server: 500 after storing": Trouble(after=reply(500)),
    "License Server: hangs": Trouble(before=hang, times=3),
    "License Server: garbage": Trouble(before=faults.garbage, times=5),
}


def make_trouble(server: LicenseServer, random: Random) -> str | None:
    """Let something go wrong at the License Server, or end all trouble; return the name of what begins."""
    server.server.listen()
    choice = random.random()
    if choice < 0.45:
        server.trouble(NO_TROUBLE)
        return None
    if choice < 0.5:
        server.server.refuse()
        return "License Server: connection refused"
    name = random.choice(list(TROUBLES))
    server.trouble(TROUBLES[name])
    return name
