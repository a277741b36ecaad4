"""What this plugin offers: the kind `slurm`."""

from pathlib import Path

from jobmon.core.cluster import ClusterKind
from jobmon.core.exceptions import ClusterError
from jobmon.core.resources import QueueLimits
from jobmon.core.scheduler.nodes import Nodes
from jobmon_slurm.api import Slurm, choose
from jobmon_slurm.cluster import SlurmCluster
from jobmon_slurm.options import Options
from jobmon_slurm.resources import problems

LOGIN_ONLY = ("XDG_", "DBUS_", "SLURM_", "SLURMD_", "SBATCH_", "SRUN_", "SALLOC_", "SQUEUE_", "SACCT_")


def queues(options: Options) -> list[QueueLimits]:
    """The partitions that are up, the default one first. Raises ClusterError."""
    back_end, _ = choose(options)
    slurm = Slurm(back_end, options)
    try:
        return [
            QueueLimits(
                name=one.name,
                max_memory_bytes=one.max_memory_bytes,
                max_runtime_seconds=one.max_seconds,
                max_cores=one.max_cores,
            )
            for one in slurm.partitions()
            if one.up
        ]
    finally:
        slurm.close()


def describe(options: Options, shared_dir: Path) -> dict[str, str]:
    """Back end, version and nodes that are avoided."""
    told = {}
    try:
        back_end, why = choose(options)
        told = {"back end": why, "Slurm": back_end.version()}
        back_end.close()
    except ClusterError as error:
        told["not reachable"] = str(error)
    nodes = Nodes(shared_dir, options.avoid_seconds, options.avoid_after)
    return told | {"nodes avoided": nodes.in_words()}


slurm = ClusterKind(
    name="slurm",
    queues=queues,
    connect=SlurmCluster.connected,
    check=problems,
    describe=describe,
    options=Options,
    login_only=LOGIN_ONLY,
)
