"""Benchmarks: every claim of speed is a ratio to a reference that was measured in the same run."""
