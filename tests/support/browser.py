"""Where the tests find the installed browser; none is ever downloaded by them."""

import shutil

BROWSER_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""The first is the same browser without windows: a page of it takes a third of the time."""


def browser_path() -> str:
    """Return the path of an installed Chromium or Chrome.

    Raises:
        FileNotFoundError: if there is none; ``make test`` installs one.
    """
    for name in BROWSER_NAMES:
        found = shutil.which(name)
        if found is not None:
            return found
    message = "No Chromium on the PATH. `make test` installs one."
    raise FileNotFoundError(message)
