"""The wire protocol as it is published: its page, its files, and what drives a License Server through it."""
