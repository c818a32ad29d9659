"""Databases of released versions under this one, and the migrations between them."""
