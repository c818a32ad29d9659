"""Clients that generators make from the description of the API, and the story that each of them tells."""
