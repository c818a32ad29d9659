"""Lets system calls of a running process fail, by ``strace``'s fault injection."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STRACE = shutil.which("strace")


def can_trace() -> bool:
    """Whether strace is installed and may look into a process that it has started."""
    if STRACE is None:
        return False
    tracing = [STRACE, "-o", "/dev/null", "true"]
    return subprocess.run(tracing, capture_output=True, check=False).returncode == 0


def can_inject() -> bool:
    """Whether strace is installed and may look into another process, which some systems allow to nobody but root."""
    if STRACE is None:
        return False
    with subprocess.Popen(["sleep", "60"]) as watched:  # noqa: S607 - the system's own
        command = [STRACE, "-p", str(watched.pid), "-o", "/dev/null", "-e", "trace=pwrite64"]
        command += ["-e", "inject=pwrite64:error=EIO:when=1"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as tracer:
            line = tracer.stderr.readline() if tracer.stderr else b""
            watched.kill()
    return b"attached" in line


@contextmanager
def failing(pid: int, call: str, error: str, when: str, log: Path) -> Iterator[None]:
    """Let the ``when``-th (``"3"``), or every one from then on (``"3+"``), of a process's calls fail with ``error``.

    What was done is written to ``log``, in which an injected error is marked as such. It ends with the process.
    """
    command = [str(STRACE), "-f", "-p", str(pid), "-o", str(log), "-e", f"trace={call}"]
    command += ["-e", f"inject={call}:error={error}:when={when}"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as tracer:
        if tracer.stderr is None:
            raise AssertionError
        # "strace: Process 123 attached": nothing of the process goes unseen from here on.
        attached = tracer.stderr.readline()
        if b"attached" not in attached:
            raise OSError(attached.decode())
        yield
        tracer.stderr.read()


def injected(log: Path) -> bool:
    """Whether a call did fail."""
    return "(INJECTED)" in log.read_text()
