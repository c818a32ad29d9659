"""Tests of the pipeline with a real License Server, on SQLite; what the databases do differently runs on both."""
