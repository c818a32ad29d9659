"""The demo: a service, a License Server of its own, and two months of a believable installation.

Everything that is told of the past has really happened, only on a clock that was set back: reported
over HTTP through the public REST API, sent over TLS, verified and answered by the License Server.
"""
