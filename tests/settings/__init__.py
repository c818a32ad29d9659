"""Tests of the deployment's settings."""
