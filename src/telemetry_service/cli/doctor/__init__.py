"""The doctor: what it checks, one module for each topic. A check changes nothing, and none hides the next."""
