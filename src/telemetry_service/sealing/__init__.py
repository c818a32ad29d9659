"""Anonymize, encrypt, sign: all cryptography of the service, and nothing else.

Wire formats are public standards (RFC 8785, RFC 7516, RFC 7515, Standard Webhooks 1.0.0), so that a
License Server in any language opens and verifies a transmission with stock libraries.
"""
