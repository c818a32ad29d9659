"""The REST API under ``/api/v1``, one router per concern; the shapes of the answers stand in ``answers_*.py``."""
