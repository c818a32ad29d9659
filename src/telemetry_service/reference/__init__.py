"""The reference License Server: the executable form of the wire protocol.

A small separate process with TLS and its own store. It shares only the payload schema with the service. It verifies
everything with its own code or a stock library, so that a bug in the sender cannot hide behind the same bug here.
"""
