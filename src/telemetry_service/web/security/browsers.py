"""The family of a browser, as people know it: "Firefox on Linux". Only for the list of sessions."""

from fastapi import Request

_FAMILIES = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
"""In this order, because each of them names most of those below it."""

_SYSTEMS = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iPadOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def browser_of(request: Request) -> str:
    """Return the family of the browser, from closed sets: nothing of what it sends is kept."""
    return family_of(request.headers.get("user-agent", ""))


def family_of(user_agent: str) -> str:
    """Return the family that a ``User-Agent`` names."""
    family = _first(_FAMILIES, user_agent)
    system = _first(_SYSTEMS, user_agent)
    if family is None:
        return "Another program"
    return family if system is None else f"{family} on {system}"


def _first(known: tuple[tuple[str, str], ...], user_agent: str) -> str | None:
    return next((name for sign, name in known if sign in user_agent), None)
