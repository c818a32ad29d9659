"""A console's page that does everything at once that could break a tab inside it, or be broken by it."""

import re
from pathlib import Path
from string import Template

from telemetry_service.resources import templates_folder
from tests.browser.static_names import names_in_template
from tests.browser.test_static_files import STATIC

_ID = re.compile(r"[a-z][a-z-]*")
_ROOT = Path(__file__).parent.parent.parent
_NODE = _ROOT / ".venv" / "node" / "node_modules"
STYLESHEETS = {
    "bootstrap.css": _NODE / "bootstrap" / "dist" / "css" / "bootstrap.min.css",
    "pico.css": _NODE / "@picocss" / "pico" / "css" / "pico.min.css",
    "tailwind.css": _NODE / "tailwindcss" / "preflight.css",
}
PAGE = _ROOT / "docs" / "embedding.md"

_HTML = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><title>Console</title><link rel="icon" href="data:,">
<meta name="htmx-config" content='{"includeIndicatorStyles": false, "allowEval": false}'>
<link rel="stylesheet" href="/bootstrap.css"><link rel="stylesheet" href="/pico.css">
<link rel="stylesheet" href="/tailwind.css"><link rel="stylesheet" href="/host.css">
<script src="/htmx.js" defer></script>
<script src="/telemetry/static/tab.js"></script><script src="/telemetry/static/tab.js" defer></script>
<script src="/telemetry/static/embed.js" defer></script>
<script src="/host.js" defer></script>
</head>
<body class="container">
<h1>Console</h1><p id="state"></p><p id="shown"></p><button id="log-out">Log out</button>
<form id="host-form" action="/saved"><input name="name" value=""><button id="host-save">Save</button></form>
<div aria-busy="true"><button id="host-busy">Busy</button></div>
<button id="host-dismiss" data-dismiss="modal">Dismiss</button>
<button id="host-get" hx-get="/found" hx-target="#host-found">Get</button><p id="host-found"></p>
<button id="host-broken" hx-get="/broken">Break</button>
<div class="row"><div class="telemetry-pane">$element</div></div>
<dialog id="host-modal"><p>The console's own dialog</p></dialog>
<footer>$ids</footer>
</body>
</html>""")

_OTHER = Template("""<!doctype html>
<html lang="en">
<head><title>Another origin</title><link rel="icon" href="data:,">
<script src="$url/telemetry/static/embed.js" defer></script></head>
<body><control-core-telemetry src="$url/telemetry/embedded"></control-core-telemetry></body>
</html>""")

_SCRIPT = """
const done = (name) => { document.body.dataset[name] = "yes"; };
document.getElementById("host-form").addEventListener("submit", (event) => {
  const field = event.target.elements.name;
  if (field.value === "") { event.preventDefault(); field.value = "filled in"; }
});
document.getElementById("host-busy").addEventListener("click", () => done("busy"));
document.getElementById("host-dismiss").addEventListener("click", () => done("dismissed"));
document.getElementById("host-modal").showModal();
document.getElementById("host-modal").addEventListener("close", () => done("closed"));
document.addEventListener("htmx:configRequest", ({ detail }) => {
  document.body.dataset.headers = Object.keys(detail.headers).join(" ");
});
"""

_OWN_LOOK = """
* { letter-spacing: 3px !important; text-transform: uppercase !important; }
iframe, button, table, section, dialog { border: 9px dashed red !important; padding: 40px !important; }
[hidden] { display: block !important; }
dialog { block-size: 100px; }
control-core-telemetry { letter-spacing: normal !important; }
"""


def snippets(language: str) -> list[str]:
    """Return the snippets of the page about embedding."""
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return found


def our_ids() -> list[str]:
    """Return each ID that a template gives."""
    found = (names_in_template(path.read_text()).ids for path in templates_folder().rglob("*.html"))
    return sorted({name for names in found for name in names if _ID.fullmatch(name)})


def build(folder: Path, url: str) -> None:
    """Write the files of the console into a folder. What a console has to write is taken from the documentation."""
    for name, path in STYLESHEETS.items():
        (folder / name).write_bytes(path.read_bytes())
    (folder / "htmx.js").write_bytes((STATIC / "htmx.min.js").read_bytes())
    (folder / "host.css").write_text("\n".join([_OWN_LOOK, *snippets("css")]))
    (folder / "host.js").write_text("\n".join([*snippets("js"), _SCRIPT]))
    theirs = "".join(f'<p class="theirs" id="{name}">{name} of the console</p>' for name in our_ids())
    (folder / "other.html").write_text(_OTHER.substitute(url=url))
    (folder / "index.html").write_text(_HTML.substitute(element=snippets("html")[0], ids=theirs))
