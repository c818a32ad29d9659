"""The reference of the requests: FastAPI and Jinja2 with nothing behind them, on uvicorn's own connections.

Run as a process by ``served.py``: ``python -m benchmarks.bare PORT``.
"""

import sys
from html import escape

import uvicorn
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from jinja2 import DictLoader, Environment
from pydantic import BaseModel

ROW = "<tr><td>{{ row.name }}</td><td class='{{ row.kind }}'>{{ row.text }}</td><td>{{ row.number }}</td></tr>\n"
PAGE = "<!doctype html><title>{{ title }}</title><table>{% for row in rows %}" + ROW + "{% endfor %}</table>"

app = FastAPI()
_TEMPLATES = Environment(loader=DictLoader({"page": PAGE}), autoescape=True, auto_reload=False)


class Report(BaseModel):
    """What the recording route takes, without its limits."""

    report_id: str
    bouncer_id: str
    environment: str
    audit_events: int
    policy_decisions: int
    successful_decisions: int


class Batch(BaseModel):
    """One call's reports."""

    reports: list[Report]


@app.get("/healthz")
def get_health() -> dict[str, str]:
    """Say that it is there."""
    return {"status": "alive"}


@app.get("/values")
def get_values() -> dict[str, str]:
    """Return some values."""
    return {str(number): "a short text" for number in range(20)}


@app.post("/usage")
async def post_usage(batch: Batch) -> dict[str, int]:
    """Take reports and store nothing."""
    return {"accepted": len(batch.reports), "duplicates": 0}


@app.get("/page")
def get_page(rows: int) -> HTMLResponse:
    """Render a page with a table."""
    shown = [
        {"name": f"row {number}", "kind": "even", "text": escape("a text of usual length"), "number": number}
        for number in range(rows)
    ]
    return HTMLResponse(_TEMPLATES.get_template("page").render(title="A page", rows=shown))


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), ws="none", log_config=None, access_log=False)
