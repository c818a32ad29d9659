"""The log: what is written, how, and what never is."""
