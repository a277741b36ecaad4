"""What can be set for a cluster of this kind: in the settings, or by `jobmon cluster add --option NAME=VALUE`."""

from typing import Annotated, Literal

from msgspec import Meta

from jobmon.core.scheduler.options import SchedulerOptions


class Options(SchedulerOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Those of every scheduler, and Slurm's own."""

    conf: str = ""  # slurm.conf of the cluster; empty: what SLURM_CONF says, else Slurm's own rule
    bin_dir: str = ""  # where the commands are; empty: on the PATH
    backend: Literal["auto", "commands", "pyslurm"] = "auto"
    answer_seconds: Annotated[float, Meta(ge=0, le=3600)] = (
        0  # patience with one command; 0: as MessageTimeout says
    )
    allow: str = ""  # further options of sbatch that users may give: names with commas in between

    def allowed(self) -> frozenset[str]:
        """The further options as a set."""
        return frozenset(name.strip() for name in self.allow.split(",") if name.strip())
