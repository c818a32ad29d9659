"""The REST API and the settings tab: the only user of the web framework."""
