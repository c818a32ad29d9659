"""Bundles: payloads that a person carries to the License Server, and the receipts that come back."""
