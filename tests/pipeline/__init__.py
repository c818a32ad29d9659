"""Tests of the pipeline: the sentences of the behaviour page, on both databases and over a real wire."""
