"""What a caller asks for: one action per file, named by its verb."""
