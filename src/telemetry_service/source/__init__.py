"""The only reader of the Control Plane's own database, through its documented views. It never writes there.

Each look is one short read-only transaction with a time limit. Whatever a driver raises becomes a ``SourceError``.
"""
