"""The revisions that the service reads from the names of the files are those that Alembic finds in them."""

from alembic.script import ScriptDirectory

from telemetry_service.resources import migrations_folder
from telemetry_service.storage.revisions import revisions


def test_the_files_are_named_in_the_order_in_which_alembic_applies_them() -> None:
    scripts = ScriptDirectory(str(migrations_folder()))
    assert list(revisions()) == [script.revision for script in reversed(list(scripts.walk_revisions()))]
