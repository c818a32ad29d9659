"""Tests of the reporter, against the real service wherever the service takes part."""
