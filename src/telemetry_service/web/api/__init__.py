"""The REST API under ``/api/v1``: a file for each noun. What the responses look like stands in ``schemas``."""
