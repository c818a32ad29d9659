"""The revisions of the schema, read from the names of the migrations: loading Alembic takes longer than all of them."""

from telemetry_service.resources import migrations_folder


def revisions() -> tuple[str, ...]:
    """Return the revisions of this version, oldest first."""
    files = (migrations_folder() / "versions").glob("[0-9]*.py")
    return tuple(sorted(file.name.partition("_")[0] for file in files))
