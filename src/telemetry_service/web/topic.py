"""Declares the routes of one topic."""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

from fastapi import APIRouter
from fastapi.params import Depends
from fastapi.routing import APIRoute


class Topic(APIRouter):
    """Routes that are declared with a router's decorators, and analyzed once, when they are added to the application.

    An ordinary router analyzes each route when it is declared, and again when the router is included.
    """

    def __init__(
        self, name: str, prefix: str = "", *, described: bool = True, route_class: type[APIRoute] = APIRoute
    ) -> None:
        """Declare nothing yet. The description of the API lists the routes under ``name`` if they are ``described``."""
        tags: list[str | Enum] = [name] if described else []
        super().__init__(prefix=prefix, tags=tags, include_in_schema=described, route_class=route_class)
        self._declared: list[tuple[str, Callable[..., Any], dict[str, Any]]] = []

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401 - FastAPI's
        """Keep a route."""
        self._declared.append((self.prefix + path, endpoint, options))

    def add_to(self, router: APIRouter, prefix: str = "", dependencies: Sequence[Depends] = ()) -> None:
        """Add the routes to a router, below ``prefix``, with dependencies that run before their own."""
        for path, endpoint, options in self._declared:
            own = {
                "tags": [*self.tags, *(options["tags"] or ())],
                "dependencies": [*dependencies, *(options["dependencies"] or ())],
                "include_in_schema": self.include_in_schema and options["include_in_schema"],
                "route_class_override": self.route_class,
            }
            router.add_api_route(prefix + path, endpoint, **options | own)
