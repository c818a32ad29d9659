"""``python -m telemetry_service.reference``: the License Server as a child process.

Reads its options as one line of JSON from stdin, so that no secret is on a command line, and announces itself as one
line of JSON on stdout. It stops when stdin ends, so that a parent that dies never leaves a server behind.
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
    # Read the file descriptor unbuffered: an exit elsewhere would wait for the lock of the buffer.
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Serve until stopped, or until the parent is gone."""
    options = ReferenceOptions.model_validate_json(sys.stdin.buffer.readline())
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    serve(options, _announce)


if __name__ == "__main__":
    main()
