"""What an interface shows: each query reads one transaction and returns frozen values."""
