"""How much a scheduler takes: read by its plugin, and learned from its refusals."""

from dataclasses import dataclass

MESSAGE_SECONDS = 10.0


@dataclass
class Limits:
    """The limits in force for one user.

    batch            tasks in one array
    submitted        tasks submitted at one time, those of other workflows included
    message_seconds  a request whose answer did not come is not carried out any more after so long
    """

    batch: int
    submitted: int
    message_seconds: float = MESSAGE_SECONDS
    has_accounting: bool = True

    def too_large(self, size: int) -> None:
        """An array of this size was refused."""
        self.batch = max(1, min(self.batch, size) // 2)
