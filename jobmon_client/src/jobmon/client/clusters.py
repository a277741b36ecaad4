"""What the client knows of clusters: kinds, options, the queues with their limits."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from jobmon.core import cluster, routes, wire
from jobmon.core.exceptions import ClusterError, UnknownCluster
from jobmon.core.resources import QueueLimits, Resources

if TYPE_CHECKING:
    from jobmon.client.connection import Connection


class Found(NamedTuple):
    """A cluster and the options in force."""

    kind: cluster.ClusterKind
    options: Any


class Clusters:
    """Asks each cluster once. The first queue is the default one; no queues: nothing is known of its limits."""

    def __init__(self, connection: Connection) -> None:
        """The server is asked once, and not at all about installed kinds that have no options."""
        self._connection = connection
        self._found: dict[str, Found | None] = {}
        self._queues: dict[str, dict[str, QueueLimits]] = {}

    @cached_property
    def known(self) -> dict[str, wire.ClusterInfo]:
        """The clusters that the server knows, by name."""
        answer = self._connection.server.call(routes.CLUSTERS, wire.Nothing())
        return {info.name: info for info in answer.clusters}

    @property
    def own(self) -> Mapping[str, Mapping[str, str]]:
        """The options in the user's settings, by names in lower case."""
        return self._connection.settings.clusters

    @property
    def names(self) -> list[str]:
        """All clusters, those that the server knows and the installed kinds, sorted."""
        return sorted({*self.known, *cluster.installed()})

    def find(self, name: str) -> Found | None:
        """The cluster of that name; None: the server knows it, but its plugin is not installed here.

        Raises UnknownCluster, naming those that exist, and ConfigError for a wrong option.
        """
        if name not in self._found:
            self._found[name] = self._find(name)
        return self._found[name]

    def queues(self, name: str) -> dict[str, QueueLimits]:
        """The queues of a cluster by name, as the server knows them if it cannot be reached from here.

        Raises as `find` does.
        """
        if name not in self._queues:
            try:
                self._queues[name] = self.ask(name)
            except ClusterError:
                self._queues[name] = self.stored(name)
        return self._queues[name]

    def ask(self, name: str) -> dict[str, QueueLimits]:
        """The queues by name, from the cluster itself. Raises ClusterError when it cannot be reached from here."""
        found = self.find(name)
        if found is None:
            raise ClusterError(f"the plugin {self.known[name].kind!r} of cluster {name!r} is not installed here")
        return {queue.name: queue for queue in found.kind.queues(found.options)}

    def stored(self, name: str) -> dict[str, QueueLimits]:
        """The queues by name that the server knows."""
        queues = self.known[name].queues if name in self.known else {}
        return {queue: msgspec.convert({"name": queue, **most}, QueueLimits) for queue, most in queues.items()}

    def check(self, name: str, resources: Resources) -> list[str]:
        """One sentence for each thing that the cluster does not take, as far as its plugin is installed here."""
        found = self.find(name)
        return found.kind.check(resources, found.options) if found else []

    def _find(self, name: str) -> Found | None:
        kinds = cluster.installed()
        without_options = name in kinds and cluster.load(name).options is cluster.NoOptions
        known = {} if without_options else self.known
        if name not in known and name not in kinds:
            raise UnknownCluster(
                f"there is no cluster {name!r}; there are {', '.join(self.names) or 'none'}. Name one of these, "
                "make it known by `jobmon cluster add`, or install the plugin that brings it."
            )
        if name in known and known[name].kind not in kinds:
            return None
        return Found(*cluster.configured(name, known, self.own))
