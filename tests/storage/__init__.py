"""Tests of the stores, on both databases."""
