"""One stage of the way of a count per file, each named by its verb."""
