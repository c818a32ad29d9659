"""What an interface shows: each query reads a snapshot and returns frozen values."""
