"""The commands of PostgreSQL's own programs that back up and restore a database, without its password."""

import shlex

from sqlalchemy import URL, make_url

_OURS = ("prepare_threshold",)
"""Options of a URL that only our driver knows."""

_SECRET = ("password", "sslpassword")

_WITHOUT_ACCOUNTS = ("--no-owner", "--no-privileges")
"""The roles of another server may have other names."""


def dump_command(database_url: str, file: str) -> str:
    """Return the command that writes a backup of the database into ``file``."""
    return shlex.join(
        ["pg_dump", "--format=custom", *_WITHOUT_ACCOUNTS, f"--file={file}", f"--dbname={_target(database_url)}"]
    )


def load_command(database_url: str, file: str) -> str:
    """Return the command that restores ``file`` into the database, which is empty: all of it or nothing."""
    whole = ["--single-transaction", "--exit-on-error"]
    return shlex.join(["pg_restore", *whole, *_WITHOUT_ACCOUNTS, f"--dbname={_target(database_url)}", file])


def _target(database_url: str) -> str:
    url = make_url(database_url)
    query = {name: value for name, value in url.query.items() if name not in (*_OURS, *_SECRET)}
    return URL.create("postgresql", url.username, None, url.host, url.port, url.database, query).render_as_string(
        hide_password=False
    )
