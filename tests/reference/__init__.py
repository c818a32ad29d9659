"""The reference License Server, tried from outside by a sender that shares no code with it."""
