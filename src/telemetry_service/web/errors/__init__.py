"""Turns every error into one problem: a document, a page or a fragment."""
