"""The steps from a usage report to an accepted transmission: one per file, named by its verb.

``log_lines`` holds what they log.
"""
