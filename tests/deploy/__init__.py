"""Tests of what a deployer copies."""
