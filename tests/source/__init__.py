"""Tests of the reader of the Control Plane's own database."""
