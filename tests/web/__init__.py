"""Tests of the REST API over a real server on the loopback and a real database."""
