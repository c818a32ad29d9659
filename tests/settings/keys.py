"""Settings that start, for the tests to spoil one variable at a time."""

import base64

ENCRYPTION_KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()
CREDENTIAL_KEY = base64.urlsafe_b64encode(bytes(range(32, 64))).decode()
OLDER_KEY = base64.urlsafe_b64encode(bytes(range(64, 96))).decode()
VALID = {"ENCRYPTION_KEY": ENCRYPTION_KEY, "CREDENTIAL_ENCRYPTION_KEY": CREDENTIAL_KEY}
