"""Authorization, and protection from other sites."""
