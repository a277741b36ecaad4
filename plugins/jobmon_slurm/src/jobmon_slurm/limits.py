"""How much Slurm takes: read from it, and learned from its refusals."""

from collections.abc import Mapping
from dataclasses import dataclass

from jobmon_slurm.options import Options

MESSAGE_SECONDS = 10.0


@dataclass
class Limits:
    """The limits in force for one user.

    batch      tasks in one array
    submitted  tasks submitted at one time, those of other workflows included
    """

    batch: int
    submitted: int
    message_seconds: float = MESSAGE_SECONDS
    has_accounting: bool = True

    @classmethod
    def read(cls, config: Mapping[str, str], submit_limit: int | None, options: Options) -> "Limits":
        """From the controller's configuration, and what accounting lets the user submit."""
        jobs = _whole(config, "MaxJobCount", 10_000) - 1
        submitted = min(options.max_submitted, jobs, submit_limit if submit_limit is not None else jobs)
        batch = min(options.max_batch, _whole(config, "MaxArraySize", 1001) - 1, submitted)
        storage = config.get("AccountingStorageType", "")
        return cls(
            batch=max(1, batch),
            submitted=max(1, submitted),
            message_seconds=float(_whole(config, "MessageTimeout", int(MESSAGE_SECONDS))),
            has_accounting=storage not in ("", "(null)", "accounting_storage/none"),
        )

    def too_large(self, size: int) -> None:
        """An array of this size was refused."""
        self.batch = max(1, min(self.batch, size) // 2)


def _whole(config: Mapping[str, str], name: str, default: int) -> int:
    """`10 sec` -> 10."""
    word = config.get(name, "").split(" ", 1)[0]
    return int(word) if word.isdecimal() else default
