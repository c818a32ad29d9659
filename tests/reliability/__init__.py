"""Tests of what must survive: crashes, faults, replicas and time itself."""
