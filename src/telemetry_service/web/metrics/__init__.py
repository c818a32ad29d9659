"""The metrics for Prometheus: counts and times, no names and no addresses. ``names.py`` lists every one of them."""
