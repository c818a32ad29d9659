"""The only way out of this process: one signed POST to the License Server, and its outcome.

No exception and no log line of a library leaves this package, because they contain the URL. Every error becomes a
``Cause``.
"""
