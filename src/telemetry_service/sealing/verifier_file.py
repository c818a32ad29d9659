"""The verifier as a file: it travels in the wheel, in each export, and as a download."""

from importlib.resources import files

NAME = "verify_ledger.py"


def verifier_source() -> bytes:
    """Return the program, byte for byte as this version ships it."""
    return files("telemetry_service.sealing").joinpath(NAME).read_bytes()
