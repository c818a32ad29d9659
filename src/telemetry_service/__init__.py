"""Telemetry management for a self-hosted Control Core Control Plane."""

__version__ = "0.1.0"
