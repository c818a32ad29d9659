"""What the forms of the tab do."""
