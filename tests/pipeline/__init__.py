"""Tests of the pipeline, on both databases and with a real License Server."""
