"""Every job state of every release of Slurm, and what it means to us; one that is not here is UNKNOWN.

Names as in slurm.h and the manual pages of squeue and sacct, 20.11 to 26.05.
"""

from jobmon.core.cluster import JobState
from jobmon.core.scheduler.states import Fate, States

ALIVE: dict[str, JobState] = {
    "PENDING": JobState.PENDING,
    "CONFIGURING": JobState.PENDING,
    "POWER_UP_NODE": JobState.PENDING,
    "REQUEUED": JobState.PENDING,
    "REQUEUE_FED": JobState.PENDING,
    "REQUEUE_HOLD": JobState.PENDING,
    "SPECIAL_EXIT": JobState.PENDING,
    "RESV_DEL_HOLD": JobState.PENDING,
    "RUNNING": JobState.RUNNING,
    "COMPLETING": JobState.RUNNING,
    "EXPEDITING": JobState.RUNNING,
    "RESIZING": JobState.RUNNING,
    "SIGNALING": JobState.RUNNING,
    "STAGE_OUT": JobState.RUNNING,
    "STOPPED": JobState.RUNNING,
    "SUSPENDED": JobState.RUNNING,
    "UPDATE_DB": JobState.RUNNING,
}
OVER: dict[str, Fate] = {
    "COMPLETED": Fate.EXITED,
    "FAILED": Fate.EXITED,
    "OUT_OF_MEMORY": Fate.OUT_OF_MEMORY,
    "TIMEOUT": Fate.TIME_LIMIT,
    "DEADLINE": Fate.TIME_LIMIT,
    "CANCELLED": Fate.CANCELLED,
    "NODE_FAIL": Fate.LOST,
    "BOOT_FAIL": Fate.LOST,
    "PREEMPTED": Fate.LOST,
    "REVOKED": Fate.LOST,
    "LAUNCH_FAILED": Fate.LOST,
    "RECONFIG_FAIL": Fate.LOST,
}

# Why a job waits that can never start as it was asked for.
IMPOSSIBLE: dict[str, str] = {
    "BadConstraints": "no node of the partition can ever give what it asks for",
    "PartitionTimeLimit": "it asks for more time than its partition gives",
    "PartitionNodeLimit": "it asks for more nodes than its partition gives",
    "MaxMemPerLimit": "it asks for more memory than its partition gives",
    "PartitionConfig": "no node of its partition can ever give what it asks for",
    "DependencyNeverSatisfied": "the job that it waits for can never end well",
    "InvalidAccount": "its account is not valid any more",
    "InvalidQOS": "its QOS is not valid any more",
    "AccountNotAllowed": "its account may not use its partition",
    "QOSNotAllowed": "its QOS may not be used there",
    "AssocMaxNodePerJobLimit": "it asks for more nodes than its account gives to a job",
    "QOSMaxNodePerJobLimit": "it asks for more nodes than its QOS gives to a job",
    "AssocMaxCpuPerJobLimit": "it asks for more cores than its account gives to a job",
    "AssocMaxMemPerJob": "it asks for more memory than its account gives to a job",
    "AssocMaxWallDurationPerJobLimit": "it asks for more time than its account gives to a job",
    "QOSMaxCpuPerJobLimit": "it asks for more cores than its QOS gives to a job",
    "QOSMaxMemoryPerJob": "it asks for more memory than its QOS gives to a job",
    "QOSMaxWallDurationPerJobLimit": "it asks for more time than its QOS gives to a job",
}
# The usual reasons: nothing that anybody needs to be told.
USUAL = frozenset(("", "None", "Priority", "Resources", "Dependency", "BeginTime", "JobArrayTaskLimit"))
STATES = States(ALIVE, OVER, IMPOSSIBLE, USUAL)


def base_state(text: str) -> str:
    """The state without what Slurm adds to it: `CANCELLED by 1000` -> `CANCELLED`, `NODE_FAIL+` -> `NODE_FAIL`."""
    return text.split(" ", 1)[0].rstrip("+*").upper() if text else ""
