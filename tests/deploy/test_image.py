"""`make image`: a base pinned by its digest, what is in the image, and how it came about. The engine is a recorder.

`make rehearse` builds the image with a real engine and runs it.
"""

import json
import platform
import re
import shutil
import subprocess
import sys
import venv
from base64 import b64decode
from importlib.metadata import PathDistribution, distributions, version
from pathlib import Path
from typing import Any

import pytest

from tests.support.programs import needs

ROOT = Path(__file__).parents[2]
DIGEST = "sha256:" + "5f" * 32
ENGINE = f"""#!/bin/sh
echo "$@" >> "$CALLS"
case "$1" in
    image) echo '["library/python@{DIGEST}"]' ;;
    build)
        while [ $# -gt 0 ]; do
            case "$1" in
                --iidfile) echo sha256:1d > "$2" ;;
            esac
            shift
        done ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with what the script reads, and no engine."""
    folder = tmp_path / "checkout"
    for name in (".ci/image.py", "Dockerfile", "src/telemetry_service/__init__.py", "deploy/README.md", ".gitignore"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (tmp_path / "bin").mkdir()
    git = shutil.which("git")
    assert git
    (tmp_path / "bin" / "git").symlink_to(git)
    author = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    for command in (("init", "--quiet"), ("add", "."), (*author, "commit", "--quiet", "--message", "all")):
        subprocess.run([git, *command], cwd=folder, check=True)
    return folder


def image(checkout: Path, *arguments: str) -> tuple[int, str]:
    """Run the script where only git and the engines of the test are installed; return its code and what it said."""
    environment = {"PATH": str(checkout.parent / "bin"), "CALLS": str(checkout.parent / "calls")}
    command = [sys.executable, ".ci/image.py", *arguments]
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def install(checkout: Path, name: str, script: str = ENGINE) -> None:
    """Install an engine."""
    program = checkout.parent / "bin" / name
    program.write_text(script)
    program.chmod(0o755)


def test_without_an_engine_it_says_what_is_missing(checkout: Path) -> None:
    install(checkout, "docker", "#!/bin/sh\nexit 1\n")
    code, said = image(checkout)
    assert code == 1
    assert "docker is installed, but `docker info` fails; podman is not installed; buildah is not installed." in said
    assert not (checkout / "deploy" / "image.args").exists()


def test_the_base_is_looked_up_once_and_everything_is_built_with_its_digest(checkout: Path) -> None:
    install(checkout, "podman")
    assert image(checkout, "--", "--network", "host")[0] == 0
    pinned = f"PYTHON_IMAGE=python:3.13-slim@{DIGEST}"
    assert pinned in (checkout / "deploy" / "image.args").read_text().splitlines()
    _, pulled, _, whole, inventory = (checkout.parent / "calls").read_text().splitlines()
    assert pulled == "pull --quiet python:3.13-slim"
    for built in (whole, inventory):
        assert built.startswith(f"build --build-arg {pinned} --format docker --network host ")
    labels = dict(re.findall(r"--label (\S+)=(\S+)", whole))
    assert labels["org.opencontainers.image.base.digest"] == DIGEST
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", labels["org.opencontainers.image.revision"])
    assert "--tag control-core-telemetry:0.1.0 ." in whole
    assert "--target sbom --output type=local,dest=" in inventory
    statement = json.loads((checkout / "dist" / "image" / "provenance.json").read_text())
    assert statement["subject"] == [{"name": "control-core-telemetry:0.1.0", "digest": {"sha256": "1d"}}]
    digests = [one["digest"] for one in statement["predicate"]["buildDefinition"]["resolvedDependencies"]]
    assert digests[1] == {"sha256": DIGEST.removeprefix("sha256:")}

    assert image(checkout)[0] == 0
    assert (checkout.parent / "calls").read_text().count("pull") == 1, "the file is there now"
    assert image(checkout, "--new-base")[0] == 0
    assert (checkout.parent / "calls").read_text().count("pull") == 2


@needs(shutil.which("openssl"), "openssl is not installed")
def test_the_provenance_is_signed_if_there_is_a_key_and_openssl_verifies_it(checkout: Path) -> None:
    install(checkout, "podman")
    place, key, public = checkout / "dist" / "image", checkout.parent / "key.pem", checkout.parent / "public.pem"
    code, said = image(checkout, "--sign", str(key))
    assert (code, "has no Ed25519 key" in said, place.exists()) == (1, True, True)
    openssl("genpkey", "-algorithm", "ed25519", "-out", key)
    openssl("pkey", "-in", key, "-pubout", "-out", public)
    code, said = image(checkout, "--sign", str(key))
    assert (code, "provenance.dsse.json" in said) == (0, True)
    envelope = json.loads((place / "provenance.dsse.json").read_text())
    statement = b64decode(envelope["payload"])
    assert statement == (place / "provenance.json").read_bytes()
    kind = envelope["payloadType"].encode()
    (checkout.parent / "said").write_bytes(b"DSSEv1 28 %b %d %b" % (kind, len(statement), statement))
    (checkout.parent / "signature").write_bytes(b64decode(envelope["signatures"][0]["sig"]))
    given = ("-in", checkout.parent / "said", "-sigfile", checkout.parent / "signature")
    assert "Successfully" in openssl("pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin", *given)

    assert "not signed" in image(checkout)[1]
    assert not (place / "provenance.dsse.json").exists(), "it was about the image before"


def openssl(*arguments: str | Path) -> str:
    """Run a command of openssl; return what it printed."""
    program = shutil.which("openssl")
    assert program
    return subprocess.run([program, *arguments], check=True, capture_output=True, text=True).stdout


def test_docker_builds_with_buildkit(checkout: Path) -> None:
    install(checkout, "docker", ENGINE.replace('echo "$@"', 'echo "${DOCKER_BUILDKIT:-none} $@"'))
    code, said = image(checkout)
    assert (code, "made by docker" in said) == (0, True)
    built = [line for line in (checkout.parent / "calls").read_text().splitlines() if " build " in line]
    assert [line.split()[:2] for line in built] == [["1", "build"], ["1", "build"]]
    assert not any("--format" in line for line in built), "an option that only the others have"


def test_a_base_without_a_digest_is_refused(checkout: Path) -> None:
    install(checkout, "podman")
    (checkout / "deploy" / "image.args").write_text("PYTHON_IMAGE=python:3.13-slim\n")
    code, said = image(checkout)
    assert (code, "deploy/image.args must have a line PYTHON_IMAGE=<name>@sha256:" in said) == (1, True)
    install(checkout, "podman", ENGINE.replace(DIGEST, "none"))
    code, said = image(checkout, "--new-base")
    assert (code, "podman knows no digest of python:3.13-slim" in said) == (1, True)


PACKAGES = ("control_core_telemetry", "fastapi", "cryptography")
DPKG = """#!/bin/sh
printf 'libc6\\t2.36-9+deb12u10\\tamd64\\ngit\\t1:2.39.5-0\\tamd64\\n'
"""


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An environment in which three distributions are installed, on a Debian system with two packages."""
    folder = tmp_path / "environment"
    venv.create(folder, symlinks=True)
    for name in PACKAGES:
        (found,) = (one for one in distributions(name=name) if isinstance(one, PathDistribution))
        metadata = Path(str(found.locate_file(""))) / f"{name}-{found.version}.dist-info"
        shutil.copytree(metadata, next(folder.glob("lib/python*/site-packages")) / metadata.name)
    (folder / "bin" / "dpkg-query").write_text(DPKG)
    (folder / "bin" / "dpkg-query").chmod(0o755)
    return folder


def test_the_bill_of_materials_which_the_script_validates_names_what_is_installed(environment: Path) -> None:
    command = [sys.executable, str(ROOT / ".ci" / "sbom.py"), str(environment)]
    done = subprocess.run(command, env={"PATH": str(environment / "bin")}, capture_output=True, text=True, check=True)
    document: dict[str, Any] = json.loads(done.stdout)
    about = document["metadata"]["component"]
    assert (about["type"], about["name"], about["version"]) == ("container", "control-core-telemetry", "0.1.0")
    named = {one["name"].replace("-", "_"): one["version"] for one in document["components"]}
    installed = {name: version(name) for name in PACKAGES}
    assert named == installed | {"CPython": platform.python_version(), "libc6": "2.36-9+deb12u10", "git": "1:2.39.5-0"}
    purls = {one.get("purl") for one in document["components"]}
    assert {"pkg:deb/debian/git@1%3A2.39.5-0?arch=amd64", f"pkg:pypi/fastapi@{installed['fastapi']}"} <= purls


def test_each_stage_has_the_pinned_base_and_what_is_copied_is_in_the_context() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"${PYTHON_IMAGE}", "build", "scratch"}
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [
        source for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE) for source in line.split()[:-1]
    ]
    assert set(let_in) == set(copied)
    assert all((ROOT / source).exists() for source in copied)
    user = re.findall(r"^USER (\d+):(\d+)$", text, re.MULTILINE)
    assert user == [("10001", "10001")], "a number, so that Kubernetes can see that it is not root"
