"""Files that root creates for the service belong to the service's account, which could not open them otherwise."""

import os
from contextlib import suppress
from pathlib import Path


def belonging_to_the_folder(file: Path) -> None:
    """Give a file to the owner of its folder, if this process is root."""
    if os.geteuid() == 0:
        with suppress(OSError):  # On a file system without owners there is nothing to give.
            folder = file.parent.stat()
            os.chown(file, folder.st_uid, folder.st_gid)
