"""The responses of the REST API."""
