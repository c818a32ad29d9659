"""The REST API under ``/api/v1``: a file for each topic. What the responses look like stands in ``schemas``."""
