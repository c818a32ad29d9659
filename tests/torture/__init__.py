"""Long randomized cycles of kill -9 and faults, on SQLite and on replicas with PostgreSQL: ``make torture``.

Nothing here is collected as a test; ``tests/reliability`` runs a few cycles of it.
"""
