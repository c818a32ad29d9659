"""An old backup restored under a running License Server."""
