"""The docstring below a member becomes its description, read when a schema is asked for.

Pydantic's ``use_attribute_docstrings`` does the same while it makes a class. For that it parses the source of every
class, which took a tenth of a start.
"""

import ast
import inspect
import textwrap
from functools import cache
from itertools import pairwise

from pydantic import BaseModel
from pydantic.config import JsonDict


def describe_members(schema: JsonDict, model: type[BaseModel]) -> None:
    """Add the descriptions of its members to the schema of a model, for ``json_schema_extra``."""
    members = schema.get("properties")
    if not isinstance(members, dict):
        return
    for name, text in _texts_of(model).items():
        member = members.get(name)
        if isinstance(member, dict):
            member.setdefault("description", text)


@cache
def _texts_of(model: type[BaseModel]) -> dict[str, str]:
    """Return the docstring below each member of a model and of the models that it extends."""
    texts: dict[str, str] = {}
    for kind in reversed(model.__mro__[: model.__mro__.index(BaseModel)]):
        texts |= _texts_in(inspect.getsource(kind))
    return texts


def _texts_in(source: str) -> dict[str, str]:
    """Return the docstring below each annotated name in the source of a class."""
    found = pairwise(ast.iter_child_nodes(ast.parse(textwrap.dedent(source)).body[0]))
    return dict(filter(None, (_text_below(*pair) for pair in found)))


def _text_below(member: ast.AST, below: ast.AST) -> tuple[str, str] | None:
    match member, below:
        case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
            return name, inspect.cleandoc(text)
        case _:
            return None
