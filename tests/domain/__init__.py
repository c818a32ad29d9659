"""Tests of the rules, which need neither a database nor a clock."""
