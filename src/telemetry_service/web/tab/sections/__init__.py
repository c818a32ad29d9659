"""The sections of the tab. Each loads only what it shows."""
