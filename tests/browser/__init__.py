"""The settings tab in a real browser, served by the real application over a real License Server."""
