"""The REST API and the settings tab. Only this package uses the web framework."""
