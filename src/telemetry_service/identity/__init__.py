"""Who may come in: the local administrator, browser sessions and service tokens.

Nothing that lets someone in is kept: passwords as argon2id hashes, sessions and tokens as keyed
digests under ``CREDENTIAL_ENCRYPTION_KEY``.
"""
