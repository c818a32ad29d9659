"""The log: a closed set of events with closed fields, written to stderr as JSON lines or for a console.

Nothing that a library says is ever written, and nothing that does not have the form of its field. Everyone may
import ``write``; only ``rendering`` knows structlog.
"""
