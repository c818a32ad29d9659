"""The reference License Server: the executable form of the wire protocol.

A small process of its own with TLS and its own store. It shares the payload schema with the service
and nothing else: what it verifies, it verifies with its own code or with a stock library, so that a
mistake of the sender cannot hide behind the same mistake here.
"""
