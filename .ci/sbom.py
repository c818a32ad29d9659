"""Writes what is in the image to standard output, as a CycloneDX document: distributions, Debian packages, and CPython.

    python sbom.py FOLDER     the environment of the service; run in the stage of the Dockerfile that has its base

Libraries inside a wheel, such as libpq in psycopg-binary, are part of that distribution and not listed.
"""

import json
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

OURS = "control-core-telemetry"
TOOL = (sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible", "--no-validate", "--sv=1.6")


def distributions(environment: Path) -> dict[str, Any]:
    """Return the document about the environment of the service; the same environment gives the same document."""
    command = (*TOOL, str(environment / "bin" / "python"))
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - ours
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def debian_packages() -> Iterator[dict[str, str]]:
    """Yield a component for each package of the base."""
    command = ("dpkg-query", "--show", "--showformat", "${Package}\t${Version}\t${Architecture}\n")
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - ours
    for line in done.stdout.splitlines():
        name, version, architecture = line.split("\t")
        purl = f"pkg:deb/debian/{name}@{version.replace('+', '%2B').replace(':', '%3A')}?arch={architecture}"
        yield {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def interpreter() -> dict[str, str]:
    """Return the component that runs the service."""
    version = platform.python_version()
    return {"type": "platform", "bom-ref": "cpython", "name": "CPython", "version": version}


def document(environment: Path) -> dict[str, Any]:
    """Return the whole document; the image itself is what it is about."""
    found = distributions(environment)
    (service,) = (one for one in found["components"] if one["name"] == OURS)
    image = {"type": "container", "bom-ref": "image", "name": OURS, "version": service["version"]}
    components = [*found["components"], interpreter(), *debian_packages()]
    return {**found, "metadata": {**found["metadata"], "component": image}, "components": components}


def main() -> int:
    """Write the document; return 1 if it is not one of CycloneDX."""
    text = json.dumps(document(Path(sys.argv[1])), indent=1)
    print(text)
    wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if wrong is not None:
        print(wrong, file=sys.stderr)
    return int(wrong is not None)


if __name__ == "__main__":
    sys.exit(main())
