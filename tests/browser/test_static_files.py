"""The static files: what is vendored is what was released, and nothing inline stands in a template."""

import gzip
import hashlib
import re
from pathlib import Path

from telemetry_service.resources import templates_folder
from telemetry_service.web.tab.assets import SCRIPTS, STYLES, Assets

STATIC = Path(__file__).parent.parent.parent / "src" / "telemetry_service" / "web" / "static"
_ROW = re.compile(r"^\| `(?P<name>[^`]+)` \|.*\| (?P<version>[0-9.]+) \|.*`(?P<digest>[0-9a-f]{64})` \|$", re.MULTILINE)


def test_each_vendored_file_has_the_digest_that_stands_beside_it() -> None:
    rows = list(_ROW.finditer((STATIC / "VENDORED.md").read_text()))
    assert [row["name"] for row in rows] == ["htmx.min.js"]
    for row in rows:
        content = (STATIC / row["name"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == row["digest"]
        assert f'version:"{row["version"]}"'.encode() in content


def test_an_address_holds_the_digest_of_its_content() -> None:
    assets = Assets()
    for name in ("tab.css", "tab.js", "htmx.min.js", "icon.svg"):
        asset = assets.find(assets.url(name))
        assert asset is not None
        assert hashlib.sha256(asset.content).hexdigest()[:16] in asset.url
        assert gzip.decompress(asset.compressed) == asset.content
    assert assets.find("/static/0000000000000000/tab.css") is None


def test_the_stylesheet_and_the_script_are_made_of_all_files_of_their_folders() -> None:
    assert {path.name for path in (STATIC / "styles").iterdir()} == {f"{name}.css" for name in STYLES}
    assert {path.name for path in (STATIC / "scripts").iterdir()} == {f"{name}.js" for name in SCRIPTS}


def test_each_script_is_strict_and_keeps_its_names_to_itself() -> None:
    alone = re.compile(r'/\*.*?\*/\n\(\(\) => \{\n  "use strict";\n.*\n\}\)\(\);\n', re.DOTALL)
    for script in (STATIC / "embed.js", *(STATIC / "scripts").iterdir()):
        assert alone.fullmatch(script.read_text()), script.name


def test_a_console_can_set_each_property_of_the_look_but_the_shadow() -> None:
    tokens = set(re.findall(r"--cct-(?!text-|space-)([a-z0-9-]+):", (STATIC / "styles" / "tokens.css").read_text()))
    tokens -= {"shadow-low", "backdrop", "on-bad", "radius-round"}
    lists = []
    for script in (STATIC / "embed.js", STATIC / "scripts" / "frame.js"):
        plain, tones, series = re.findall(r'\.\.\.(?:"([^"]+)"|\[([^\]]+)\])', script.read_text())
        toned = re.findall(r'"(\w+)"', tones[1])
        lists.append({*plain[0].split(), *toned, *(f"{tone}-tint" for tone in toned), *series[0].split()})
    assert lists[0] == lists[1] == tokens - {"shadow", "font", "mono", "radius", "radius-small"}
    documented = set(re.findall(r"`--cct-([a-z0-9-]+)`", (STATIC.parents[3] / "docs" / "embedding.md").read_text()))
    assert documented == {name for name in tokens if not name.endswith("-tint")} - {"shadow"}


def test_no_template_holds_an_inline_script_or_style() -> None:
    inline = re.compile(
        r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=|javascript:|hx-on|hx-vals='js", re.IGNORECASE
    )
    for template in templates_folder().rglob("*.html"):
        assert inline.search(template.read_text()) is None, template.name
