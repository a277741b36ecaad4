"""The contract of a cluster plugin: few verbs, many jobs at once.

A plugin is an entry point in the group `jobmon.clusters` whose name is the cluster's and whose object is a
`ClusterKind`. The client uses its `queues` to validate; the distributor `connect`s and submits, looks up,
observes and cancels. A job is known by (cluster, batch name, job id), never by an id alone.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec

from jobmon.core.exceptions import UnknownCluster
from jobmon.core.ids import BatchId, TaskInstanceId
from jobmon.core.resources import QueueLimits
from jobmon.core.wire import Batch, Job, Observed

ENTRY_POINT_GROUP = "jobmon.clusters"


class JobState(StrEnum):
    """What a batch system can say of an attempt."""

    PENDING = "pending"  # accepted, waits for its turn
    RUNNING = "running"
    OVER = "over"  # ended, and it is known how
    GONE = "gone"  # proof that it does not run and will not: the attempt can be given up
    UNKNOWN = "unknown"  # no proof of anything


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """What a plugin needs to reach the server and to keep its files: given to `connect`.

    service_url and token_file are passed on to whatever runs on the nodes; state_dir is private to the user,
    one for each workflow and cluster, and outlives the distributor.
    """

    service_url: str
    token_file: str
    state_dir: Path
    workflow_id: int
    python: str
    parallelism: int = 0


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much the cluster takes: attempts in a batch, and attempts submitted at one time."""

    max_batch: int = 10_000
    max_submitted: int = 10_000_000


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What a search by name found: the job id, or proof that there is no such job, or neither."""

    job_id: str = ""
    absent: bool = False


@runtime_checkable
class Cluster(Protocol):
    """A connected cluster, used by one distributor from one thread at a time."""

    def limits(self) -> Limits:
        """The limits in force now."""

    def submit(self, batch: Batch) -> str:
        """Hand over a batch as one job array and return its job id.

        Raises SubmitRefused when the cluster said no, SubmitUnknown when it may have said yes. Submitting a
        batch whose name the cluster already has must not start it twice.
        """

    def look_up(self, batches: Sequence[Batch]) -> Mapping[BatchId, Look]:
        """Find batches by their names; a batch left out of the answer is not decided yet."""

    def observe(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        """What the cluster says of these attempts; those it says nothing of are left out."""

    def cancel(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        """Ask the cluster to end these attempts; answers those that are already seen gone."""

    def events(self) -> Sequence[Observed]:
        """What the cluster told by itself since the last call (a node's death, an executor's end)."""

    def close(self, finished: bool) -> None:
        """Let go. `finished`: the workflow run is over and nothing of it is left on the cluster."""


class ClusterKind(msgspec.Struct, frozen=True, kw_only=True):
    """What an entry point offers.

    queues   the queues with their limits, asked from the cluster itself; the first is the default
    connect  makes the connected cluster, in the distributor
    present  whether this machine can reach such a cluster now, with the reason if not ("" = yes)
    """

    name: str
    queues: Callable[[], list[QueueLimits]]
    connect: Callable[[Connection], Cluster]
    present: Callable[[], str] = lambda: ""


def installed() -> list[str]:
    """Names of all clusters that installed plugins offer, sorted."""
    return sorted({entry.name for entry in metadata.entry_points(group=ENTRY_POINT_GROUP)})


def load(name: str) -> ClusterKind:
    """The cluster of that name.

    Raises UnknownCluster naming those that exist.
    """
    for entry in metadata.entry_points(group=ENTRY_POINT_GROUP, name=name):
        kind = entry.load()
        if not isinstance(kind, ClusterKind):
            raise UnknownCluster(f"the entry point of cluster {name!r} ({entry.value}) is not a ClusterKind")
        return kind
    raise UnknownCluster(
        f"there is no cluster {name!r}; installed are {', '.join(installed()) or 'none'}. "
        "Name one of these, or install the plugin that brings it."
    )


def instances(batch: Batch) -> range:
    """The attempts of a batch, in the order of their array index."""
    return range(batch.first_instance_id, TaskInstanceId(batch.first_instance_id + batch.size))
