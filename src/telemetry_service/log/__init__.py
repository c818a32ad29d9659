"""The log: a closed set of events with closed fields, written to stderr as JSON lines or for a console.

The text of a library is never written, nor any value that does not have the form of its field. Every package may import
``write``; only ``rendering`` uses structlog.
"""
