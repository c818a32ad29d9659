"""The settings tab without a browser: its values, forms and statements."""
