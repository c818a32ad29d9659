"""What the tests stand on: real databases, a real browser, a hostile far side."""
