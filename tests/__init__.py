"""The tests: they read like sentences of the guide, and run in parallel and in any order."""
