"""Authentication: the local administrator, browser sessions and service tokens.

No credential is stored as it is: passwords are argon2id hashes, sessions and tokens keyed digests under
``CREDENTIAL_ENCRYPTION_KEY``.
"""
