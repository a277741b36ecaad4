"""What can be set for a cluster of this kind: in the settings, or by `jobmon cluster add --option NAME=VALUE`.

The commands are found by `bin_dir`, libdrmaa by `library`; the Python module `drmaa` is whichever the interpreter
of the distributor finds first, so that a folder in PYTHONPATH goes before what is installed.
"""

from typing import Annotated, Literal

from msgspec import Meta

from jobmon.core.scheduler.options import SchedulerOptions

Port = Annotated[int, Meta(ge=0, le=65535)]
Resource = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.]{1,64}$")]
Environment = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.*-]{0,64}$")]


class Options(SchedulerOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every option with what it has when nobody says otherwise."""

    flavour: Literal["grid-engine"] = "grid-engine"  # whose native specification and commands are spoken
    root: str = ""  # SGE_ROOT; empty: what the environment says
    cell: str = ""  # SGE_CELL, likewise
    qmaster_port: Port = 0  # SGE_QMASTER_PORT; 0: what the environment says, else /etc/services
    execd_port: Port = 0  # SGE_EXECD_PORT, likewise
    library: str = ""  # libdrmaa; empty: what DRMAA_LIBRARY_PATH says, else below SGE_ROOT, else Debian's
    bin_dir: str = ""  # where the commands are; empty: on the PATH
    parallel_environment: Environment = ""  # for more than one core; empty: one that keeps to a node
    memory_resource: Resource = "h_vmem"  # what memory asks for, of each slot
    verify: bool = True  # refuse at once what no queue can ever give (-w e); does not know of load values
    answer_seconds: Annotated[float, Meta(ge=0, le=3600)] = 0  # patience with one request; 0: 30 s
    allow: str = ""  # further options of qsub that users may give: names with commas in between

    def allowed(self) -> frozenset[str]:
        """The further options as a set."""
        return frozenset(name.strip() for name in self.allow.split(",") if name.strip())
