"""The sections of the tab: each loads what it shows, and nothing else."""
