"""How much a step of the purge takes on. Disks differ a hundredfold, and so does a row whose ID is random."""

STEP_SECONDS = 0.03
"""What a step should last at most: about what recording a call of a thousand reports does."""


class BatchSize:
    """A number of rows or pages, between two bounds, by how long the steps with it have lasted."""

    def __init__(self, least: int, most: int) -> None:
        """Begin with the least: the first step must not be the one that everyone waits for."""
        self._least, self._most = least, most
        self.amount = least

    def lasted(self, seconds: float) -> None:
        """Halve the amount after a step that was too long, double it after one that was less than half as long."""
        if seconds > STEP_SECONDS:
            self.amount = max(self._least, self.amount // 2)
        elif seconds < STEP_SECONDS / 2:
            self.amount = min(self._most, self.amount * 2)
