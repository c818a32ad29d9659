"""From a usage report to an accepted transmission."""
