"""The demo: a service, its own License Server, and two months of a realistic installation.

The past really happened, only on a clock that was set back: usage was reported through the public REST API, and
payloads were sent over TLS and accepted by the License Server.
"""
