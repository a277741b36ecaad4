"""Clusters: what the server knows of them, and how it comes to know."""

from jobmon.core.resources import QueueLimits
from jobmon.core.wire.base import Answer, Name, Request


class ClusterInfo(Answer, frozen=True, kw_only=True):
    """A cluster that the server knows: a kind with options, and its queues with their limits."""

    name: str
    kind: str
    queues: dict[str, dict[str, int | None]]
    options: dict[str, str] = {}


class ClusterList(Answer, frozen=True, kw_only=True):
    """All clusters the server knows."""

    clusters: list[ClusterInfo]


class ClusterRequest(Request, frozen=True, kw_only=True):
    """Make a cluster known under a name; the options of one that is known are replaced by these."""

    name: Name
    kind: Name
    options: dict[str, str] = {}


class ClusterAnswer(Answer, frozen=True, kw_only=True):
    """The cluster is known. `replaced`: the options that it had before, if they were others."""

    new: bool
    replaced: dict[str, str] | None = None


class QueuesRequest(Request, frozen=True, kw_only=True):
    """All queues that a cluster has now, the default one first."""

    name: Name
    queues: list[QueueLimits]
