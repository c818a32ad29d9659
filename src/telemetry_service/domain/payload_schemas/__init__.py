"""The payload's schema as our own document: one file for each published version, named by its SHA-256.

Stored payloads are read, shown, and sent by the schema of their digest, so a later version that adds, removes, or
narrows a field leaves them readable. Nothing here depends on how a library describes or validates a model.
"""
