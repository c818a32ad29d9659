"""Receives requests and sends responses: connections, limits, bodies, the server."""
