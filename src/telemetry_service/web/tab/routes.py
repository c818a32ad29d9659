"""Adds the settings tab, the login and the static files to the application."""

from fastapi import FastAPI

from telemetry_service.web.context import WebContext
from telemetry_service.web.tab import appearance, asset_routes
from telemetry_service.web.tab.forms import (
    connection_routes,
    delivery_routes,
    key_routes,
    login_routes,
    settings_routes,
)
from telemetry_service.web.tab.rendering import Pages
from telemetry_service.web.tab.sections import proof_routes, view_routes


def add_tab(app: FastAPI) -> None:
    """Add all routes and the pages that they render. They need the context."""
    context: WebContext = app.state.context
    app.state.pages = Pages(context.runtime.deployment)
    forms = (login_routes, appearance, settings_routes, connection_routes, key_routes, delivery_routes)
    for module in (asset_routes, *forms, proof_routes, view_routes):
        app.include_router(module.router)
