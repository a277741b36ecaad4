"""What the client knows of clusters: the queues with their limits, from the plugin or from the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobmon.core import cluster, routes, wire
from jobmon.core.exceptions import ClusterError, UnknownCluster
from jobmon.core.resources import QueueLimits

if TYPE_CHECKING:
    from jobmon.client.connection import Connection


class Clusters:
    """Asks each cluster once. The first queue is the default one; no queues: nothing is known of its limits."""

    def __init__(self, connection: Connection) -> None:
        """The server is asked only about clusters that no installed plugin offers or reaches."""
        self._connection = connection
        self._queues: dict[str, dict[str, QueueLimits]] = {}

    def queues(self, name: str) -> dict[str, QueueLimits]:
        """The queues of a cluster by name. Raises UnknownCluster, naming those that exist."""
        if name not in self._queues:
            self._queues[name] = self._ask(name)
        return self._queues[name]

    def _ask(self, name: str) -> dict[str, QueueLimits]:
        reachable = name in cluster.installed()
        try:
            if reachable:
                return {queue.name: queue for queue in cluster.load(name).queues()}
        except ClusterError:
            pass  # not from this machine: the server may know
        known = self._connection.server.call(routes.CLUSTERS, wire.Nothing()).clusters
        for info in known:
            if info.name == name:
                return {queue: _limits(queue, limits) for queue, limits in info.queues.items()}
        if reachable:
            return {}
        names = sorted({*cluster.installed(), *(info.name for info in known)})
        raise UnknownCluster(
            f"there is no cluster {name!r}; there are {', '.join(names) or 'none'}. Name one of these, or install "
            "the plugin that brings it."
        )


def _limits(name: str, limits: dict[str, int | None]) -> QueueLimits:
    return QueueLimits(
        name=name,
        max_memory_bytes=limits.get("max_memory_bytes"),
        max_runtime_seconds=limits.get("max_runtime_seconds"),
        max_cores=limits.get("max_cores"),
    )
