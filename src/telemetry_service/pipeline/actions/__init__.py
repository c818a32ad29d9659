"""What a caller asks for: one action per file, each named by its verb."""
