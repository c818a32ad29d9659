"""A client for TypeScript (openapi-typescript, openapi-fetch): it compiles strictly, and reads what comes back."""

import json
import os
import subprocess
from pathlib import Path

from tests.support.programs import needs

TOOLS = Path(__file__).parents[2] / ".venv" / "node" / "node_modules"
STORY = Path(__file__).with_name("story.ts")

pytestmark = needs((TOOLS / "openapi-typescript").exists(), "Node 20.19 or newer is missing")

OPTIONS = {
    "strict": True,
    "exactOptionalPropertyTypes": True,
    "noUncheckedIndexedAccess": True,
    "skipLibCheck": True,
    "target": "es2022",
    "lib": ["es2022", "dom", "dom.iterable"],
    "module": "nodenext",
    "moduleResolution": "nodenext",
    "types": [],
}
FROM_THE_STORY = """
added 1
accepted 3 true environment-differs
license starter reported
refused false [ [ 1, true ] ]
lost 3000000000
preview 3000000000 3000000000
sent success 3000000000 true
retried success
listed success 1 3000000000 undefined
message true
pages 1
exported 1
health healthy
verified true
revoked 204
ready true
"""


def run(*command: str | Path, folder: Path) -> str:
    """Run a program of Node, and return what it prints."""
    ended = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, env=dict(os.environ))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_a_client_for_typescript_compiles_and_tells_the_story(document: Path, given: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "typescript"
    folder.mkdir()
    (folder / "node_modules").symlink_to(TOOLS)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": OPTIONS, "files": ["story.ts"]}))
    (folder / "story.ts").write_text(STORY.read_text())
    run("node", TOOLS / "openapi-typescript" / "bin" / "cli.js", document, "-o", "schema.d.ts", folder=folder)
    run("node", TOOLS / "typescript" / "bin" / "tsc", "--project", "tsconfig.json", folder=folder)
    printed = run("node", "story.js", *given, folder=folder).splitlines()
    assert printed == FROM_THE_STORY.split("\n")[1:-1]
