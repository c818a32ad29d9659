"""The routes of the settings tab, the login and the static files."""

from telemetry_service.web.tab import appearance, asset_routes
from telemetry_service.web.tab.forms import (
    access_routes,
    bundle_routes,
    connection_routes,
    decision_routes,
    delivery_routes,
    key_routes,
    login_routes,
    provider_routes,
    replace_key_routes,
    settings_routes,
)
from telemetry_service.web.tab.sections import components_routes, ledger_routes, proof_routes, view_routes

TAB = (
    asset_routes.router,
    login_routes.router,
    access_routes.router,
    provider_routes.router,
    appearance.router,
    settings_routes.router,
    connection_routes.router,
    key_routes.router,
    replace_key_routes.router,
    delivery_routes.router,
    bundle_routes.router,
    decision_routes.router,
    proof_routes.router,
    ledger_routes.router,
    components_routes.router,
    view_routes.router,
)
"""In this order. The pages that they render need the context."""
