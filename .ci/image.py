"""Builds the image, and writes its bill of materials and its provenance into dist/image.

    make image                     with the base of deploy/image.args, pinned by its digest; looked up if there is none
    make image ARGS=--new-base     looks up the newest base first, and writes it there
    make image ARGS="--sign KEY"   signs the provenance with an Ed25519 key (PEM), as a DSSE envelope beside it
    make image ARGS="-- OPTION"    what follows two dashes are options of the engine's own `build`

The engine is the first of docker, podman, and buildah that works here. The variable IMAGE_ENGINE names another one.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

ROOT = Path(__file__).parents[1]
DOCKERFILE, BASE, PLACE = ROOT / "Dockerfile", ROOT / "deploy" / "image.args", ROOT / "dist" / "image"
NAME = "control-core-telemetry"
ENGINES = ("docker", "podman", "buildah")
PINNED = re.compile(r"^PYTHON_IMAGE=(?P<name>[^@\s]+)@(?P<digest>sha256:[0-9a-f]{64})$", re.MULTILINE)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class NoImageError(Exception):
    """Nothing was built, for this reason."""

    def __init__(self, *parts: object) -> None:
        super().__init__("".join(map(str, parts)))


def run(*command: str) -> str:
    """Return what a program wrote to its standard output.

    Raises:
        NoImageError: it failed, or is not there.
    """
    environment = os.environ | {"DOCKER_BUILDKIT": "1"}  # Docker's older builder can take no file out of a stage.
    try:
        done = subprocess.run(  # noqa: S603 - ours
            command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoImageError(" ".join(command[:2]), " failed: ", error) from None
    return done.stdout.strip()


def engine() -> str:
    """Return the engine that works here.

    Raises:
        NoImageError: none does; it says why for each.
    """
    asked = os.environ.get("IMAGE_ENGINE")
    reasons = []
    for name in (asked,) if asked else ENGINES:
        if shutil.which(name) is None:
            reasons.append(f"{name} is not installed")
        elif subprocess.run((name, "info"), check=False, capture_output=True).returncode:  # noqa: S603 - ours
            reasons.append(f"{name} is installed, but `{name} info` fails")
        else:
            return name
    raise NoImageError("; ".join(reasons), ". Install one, or start its daemon.")


def look_up(name: str) -> None:
    """Write the newest base with its digest into the file of arguments."""
    wanted = re.search(r"^ARG PYTHON_IMAGE=(\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
    if wanted is None:
        raise NoImageError("The Dockerfile names no base.")
    run(name, "pull", "--quiet", wanted[1])
    asked = ("{{.FromImageDigest}}", "--type=image") if name == "buildah" else ("{{json .RepoDigests}}",)
    inspect = ("inspect",) if name == "buildah" else ("image", "inspect")
    digest = _DIGEST.search(run(name, *inspect, "--format", *asked, wanted[1]))
    if digest is None:
        raise NoImageError(name, " knows no digest of ", wanted[1], ": it was built here and never pulled.")
    head = "# The base of the image. Written by: make image ARGS=--new-base\n"
    BASE.write_text(f"{head}PYTHON_IMAGE={wanted[1]}@{digest[0]}\n")


def base(name: str, *, new: bool) -> re.Match[str]:
    """Return the base by name and digest.

    Raises:
        NoImageError: the file names none by its digest.
    """
    if new or not BASE.exists():
        look_up(name)
    found = PINNED.search(BASE.read_text())
    if found is None:
        raise NoImageError(BASE.relative_to(ROOT), " must have a line PYTHON_IMAGE=<name>@sha256:<64 hex digits>.")
    return found


def revision() -> str:
    """Return the commit, and whether there are changes beside it."""
    dirty = "-dirty" if run("git", "status", "--porcelain") else ""
    return run("git", "rev-parse", "HEAD") + dirty


def version() -> str:
    """Return the version of the service."""
    text = (ROOT / "src" / "telemetry_service" / "__init__.py").read_text()
    return re.findall(r'__version__ = "(.*)"', text)[0]  # type: ignore[no-any-return]


def labels(found: re.Match[str]) -> dict[str, str]:
    """Return the labels of the Open Container Initiative that only the build knows."""
    return {
        "org.opencontainers.image.version": version(),
        "org.opencontainers.image.revision": revision(),
        "org.opencontainers.image.created": run("git", "log", "-1", "--format=%cI"),
        "org.opencontainers.image.base.name": found["name"],
        "org.opencontainers.image.base.digest": found["digest"],
    }


def options(name: str, found: re.Match[str], more: Sequence[str]) -> Iterator[str]:
    """Yield what every stage is built with."""
    yield from ("build", "--build-arg", found[0])
    if name != "docker":
        yield from ("--format", "docker")  # The other format has no health check.
    yield from more


def build(name: str, found: re.Match[str], more: Sequence[str]) -> str:
    """Build the image and write its bill of materials; return its ID."""
    named = [argument for label, value in labels(found).items() for argument in ("--label", f"{label}={value}")]
    file = PLACE / "id"
    run(name, *options(name, found, more), *named, "--iidfile", str(file), "--tag", f"{NAME}:{version()}", ".")
    run(name, *options(name, found, more), "--target", "sbom", "--output", f"type=local,dest={PLACE}", ".")
    return file.read_text().strip()


def provenance(identity: str, found: re.Match[str]) -> dict[str, object]:
    """Return the statement about how the image came about, as SLSA describes it."""
    commit = {"uri": "git+file://.", "digest": {"gitCommit": revision()}}
    parent = {"uri": f"pkg:docker/{found['name']}", "digest": {"sha256": found["digest"].removeprefix("sha256:")}}
    definition = {
        "buildType": "urn:control-core:telemetry:make-image",
        "externalParameters": {"dockerfile": "Dockerfile", "arguments": {"PYTHON_IMAGE": found[0].partition("=")[2]}},
        "resolvedDependencies": [commit, parent],
    }
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": f"{NAME}:{version()}", "digest": {"sha256": identity.removeprefix("sha256:")}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {"buildDefinition": definition, "runDetails": {"builder": {"id": "urn:control-core:make-image"}}},
    }


def signing_key(file: Path) -> Ed25519PrivateKey:
    """Return the private key in a file.

    Raises:
        NoImageError: there is none.
    """
    try:
        key = load_pem_private_key(file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise NoImageError(file, " has no Ed25519 key in PEM without a password.")
    return key


def signed(statement: bytes, key: Ed25519PrivateKey) -> dict[str, object]:
    """Return a statement in an envelope that shows who has signed it (DSSE)."""
    kind = b"application/vnd.in-toto+json"
    said = b" ".join((b"DSSEv1", b"%d" % len(kind), kind, b"%d" % len(statement), statement))
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    signature = {"keyid": sha256(public).hexdigest(), "sig": b64encode(key.sign(said)).decode()}
    return {"payloadType": kind.decode(), "payload": b64encode(statement).decode(), "signatures": [signature]}


def write_provenance(identity: str, found: re.Match[str], key: Ed25519PrivateKey | None) -> None:
    """Write the statement, and with a key its envelope; an earlier envelope is about an earlier image."""
    statement = json.dumps(provenance(identity, found), indent=1).encode() + b"\n"
    (PLACE / "provenance.json").write_bytes(statement)
    envelope = PLACE / "provenance.dsse.json"
    envelope.unlink(missing_ok=True)
    if key is not None:
        envelope.write_text(json.dumps(signed(statement, key)) + "\n")


def main(arguments: Sequence[str]) -> int:
    """Build it, and say where everything is; return 1 with a reason where it cannot be built."""
    parser = argparse.ArgumentParser(prog="make image")
    parser.add_argument("--new-base", action="store_true", help="look up the newest base first")
    parser.add_argument(
        "--sign", metavar="KEY", type=Path, help="sign the provenance with the Ed25519 key in this file"
    )
    parser.add_argument("option", nargs="*", help="after two dashes: an option of the engine's own build")
    asked = parser.parse_args(arguments)
    PLACE.mkdir(parents=True, exist_ok=True)
    try:
        key = signing_key(asked.sign) if asked.sign else None
        name = engine()
        found = base(name, new=asked.new_base)
        identity = build(name, found, asked.option)
        write_provenance(identity, found, key)
    except NoImageError as error:
        print(f"No image was built: {error}", file=sys.stderr)
        return 1
    print(
        f"{NAME}:{version()} ({identity}), made by {name}; {PLACE.relative_to(ROOT)} has sbom.cdx.json and"
        f" provenance.json{' with its signature, provenance.dsse.json' if key else ', which is not signed (--sign)'}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
