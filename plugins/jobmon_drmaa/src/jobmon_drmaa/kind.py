"""What this plugin offers: the kind `sge`, by the name `drmaa` too."""

from pathlib import Path

from msgspec.structs import replace

from jobmon.core.cluster import ClusterKind
from jobmon.core.exceptions import ClusterError
from jobmon.core.resources import QueueLimits
from jobmon.core.scheduler.nodes import Nodes
from jobmon_drmaa.api import GridEngine
from jobmon_drmaa.cluster import GridEngineCluster
from jobmon_drmaa.options import Options
from jobmon_drmaa.resources import problems

LOGIN_ONLY = ("XDG_", "DBUS_", "SGE_", "DRMAA_", "PE_HOSTFILE")


def queues(options: Options) -> list[QueueLimits]:
    """All queues, the one that the scheduler prefers first. Raises ClusterError."""
    grid_engine = GridEngine(options)
    try:
        return [
            QueueLimits(
                name=one.name,
                max_memory_bytes=one.max_memory_bytes,
                max_runtime_seconds=one.max_seconds,
                max_cores=one.max_cores,
            )
            for one in grid_engine.queues()
        ]
    finally:
        grid_engine.close()


def describe(options: Options, shared_dir: Path) -> dict[str, str]:
    """Version and nodes that are avoided."""
    grid_engine = GridEngine(options)
    try:
        told = {"Grid Engine": grid_engine.version()}
    except ClusterError as error:
        told = {"not reachable": str(error)}
    finally:
        grid_engine.close()
    nodes = Nodes(shared_dir, options.avoid_seconds, options.avoid_after)
    return told | {"nodes avoided": nodes.in_words()}


SGE = ClusterKind(
    name="sge",
    queues=queues,
    connect=GridEngineCluster.connected,
    check=problems,
    describe=describe,
    options=Options,
    login_only=LOGIN_ONLY,
)
DRMAA = replace(SGE, name="drmaa")
