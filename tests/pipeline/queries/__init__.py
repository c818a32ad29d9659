"""What an interface shows."""
