"""What can be set for a cluster of this kind: in the settings, or by `jobmon cluster add --option NAME=VALUE`."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Seconds = Annotated[float, Meta(gt=0, le=1e7)]
Count = Annotated[int, Meta(ge=1)]


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every option with what it has when nobody says otherwise."""

    conf: str = ""  # slurm.conf of the cluster; empty: what SLURM_CONF says, else Slurm's own rule
    bin_dir: str = ""  # where the commands are; empty: on the PATH
    backend: Literal["auto", "commands", "pyslurm"] = "auto"
    max_batch: Count = 1000  # tasks in one job array, where Slurm's own limits allow it
    max_submitted: Count = 10_000_000  # tasks submitted at one time, likewise
    poll_seconds: Seconds = 30.0  # the least time between two looks at the queue
    poll_seconds_max: Seconds = 180.0  # the most; in between it is ten times what the last look took
    vanish_seconds: Seconds = 60.0  # a job that neither queue nor accounting knows for so long is gone
    impossible_seconds: Seconds = 600.0  # a job that can never start is given up after so long
    requests_per_second: Seconds = 1.0  # to Slurm, on average
    burst: Count = 10  # requests at once
    answer_seconds: Annotated[float, Meta(ge=0, le=3600)] = (
        0  # patience with one command; 0: as MessageTimeout says
    )
    requeue: bool = False  # let Slurm put jobs back into the queue by itself
    allow: str = ""  # further options of sbatch that users may give: names with commas in between
    avoid_seconds: Seconds = 3600.0  # a node where tasks failed to start is avoided for so long
    avoid_after: Count = 3  # different tasks

    def allowed(self) -> frozenset[str]:
        """The further options as a set."""
        return frozenset(name.strip() for name in self.allow.split(",") if name.strip())
