"""How requests arrive and responses leave: connections, bounds, bodies, the server."""
