"""The support bundle: what someone else needs to see of an installation, and nothing that names it or its people.

Each file in it is put together from what may be shown, never by removing what may not.
"""
