"""For models in which an omitted member means "as it is", so that their defaults mean nothing to a client."""

from pydantic.config import JsonDict


def no_defaults(schema: JsonDict) -> None:
    """Describe no defaults: a client that filled them in would change what its user leaves out."""
    members = schema["properties"]
    for member in members.values() if isinstance(members, dict) else ():
        if isinstance(member, dict):
            member.pop("default", None)
