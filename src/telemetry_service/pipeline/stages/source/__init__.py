"""Reads the Control Plane's own database and counts its events in the open period, each exactly once."""
