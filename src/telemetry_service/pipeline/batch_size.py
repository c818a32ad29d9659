"""How much a step of the purge does. The speed of disks, and of rows with random IDs, varies a hundredfold."""

STEP_SECONDS = 0.03
"""The longest that a step should take: about as long as recording a call of a thousand reports."""


class BatchSize:
    """A number of rows or pages, between two limits, adapted to how long the steps take."""

    def __init__(self, least: int, most: int) -> None:
        """Start with the least: the first step must not block everyone else."""
        self._least, self._most = least, most
        self.amount = least

    def lasted(self, seconds: float) -> None:
        """Halve the size after a step that took too long; double it after one that took less than half of that."""
        if seconds > STEP_SECONDS:
            self.amount = max(self._least, self.amount // 2)
        elif seconds < STEP_SECONDS / 2:
            self.amount = min(self._most, self.amount * 2)
