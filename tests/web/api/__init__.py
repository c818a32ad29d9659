"""The REST API, over a real server and a real database."""
