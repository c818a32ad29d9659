"""``python -m telemetry_service.reference``: the License Server as a child process.

Reads its options as one line of JSON from standard input, so that no secret stands in a command
line, and announces itself as one line of JSON on standard output. It stops when standard input
ends: a parent that dies, however it dies, leaves no server behind.
"""

import json
import os
import signal
import sys
import threading
from dataclasses import asdict

from telemetry_service.reference.options import ReferenceOptions
from telemetry_service.reference.serve import Listening, serve


def _announce(listening: Listening) -> None:
    sys.stdout.write(json.dumps(asdict(listening)) + "\n")
    sys.stdout.flush()


def _stop_with_parent() -> None:
    # The file descriptor is read without its buffer, whose lock an exit elsewhere would wait for.
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Serve until told to stop, or until the parent is gone."""
    options = ReferenceOptions.model_validate_json(sys.stdin.buffer.readline())
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    serve(options, _announce)


if __name__ == "__main__":
    main()
