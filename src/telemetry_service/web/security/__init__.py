"""Who may call what, and what keeps other sites out."""
