"""Tests of the published payload schemas, with documents of other versions."""
