"""``telemetry-service support-bundle``."""

from pathlib import Path
from typing import Annotated

import typer

from telemetry_service.cli.loading import resume_collection
from telemetry_service.cli.output import AsJson, say, say_json
from telemetry_service.cli.whole_file import whole_file

File = Annotated[Path, typer.Argument(metavar="FILE", help="The zip file to write; only this user can read it.")]
Log = Annotated[Path | None, typer.Option("--log", help="A file with the service's log in JSON; its end is included.")]
Offline = Annotated[bool, typer.Option("--offline", help="Do not contact the License Server.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")]


def support_bundle(
    file: File,
    *,
    log: Log = None,
    offline: Offline = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Write what support needs into one archive: versions, which settings are set, doctor, health, metrics, attempts.

    It contains no keys, tokens, passwords, URLs, names, addresses, payloads, or customer IDs, and it is written in
    whatever state the installation is. It changes nothing.
    """
    from telemetry_service.cli.support.archive import write_archive

    resume_collection()
    with whole_file(file, overwrite=overwrite) as unfinished:
        written = write_archive(unfinished, log, offline=offline)
    if as_json:
        say_json({"file": str(file.absolute()), "contents": written})
    else:
        say(f"Written: {file.absolute()} ({', '.join(written)}). Look into it before you send it.")
