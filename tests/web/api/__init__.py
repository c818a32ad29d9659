"""The tests of that part of the service."""
