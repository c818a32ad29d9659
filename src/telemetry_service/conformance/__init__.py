"""Drives a foreign License Server through the wire protocol, and says what is not right (``docs/protocol.md``).

It changes nothing here: it reads no settings and opens no database. What it sends are transmissions with invented
numbers, so it is pointed at a test customer.
"""
