"""Tests of the pipeline: the sentences of the behavior page, on both databases and over a real wire."""
