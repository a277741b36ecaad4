"""Clusters and their queues."""

from jobmon.core import routes
from jobmon.core.wire import ClusterAnswer, ClusterList, ClusterRequest, Done, Nothing, QueuesRequest
from jobmon.server.serve import handles
from jobmon.server.service import Service
from jobmon.server.store import clusters


@handles(routes.CLUSTERS)
def known(service: Service, sent: Nothing) -> ClusterList:
    """List clusters and their queues."""
    return service.read(clusters.known)


@handles(routes.CLUSTER_ADD)
def add(service: Service, sent: ClusterRequest) -> ClusterAnswer:
    """Make a cluster known."""
    return service.write(lambda c, at: clusters.add(c, sent))


@handles(routes.CLUSTER_QUEUES)
def queues(service: Service, sent: QueuesRequest) -> Done:
    """Take the queues that a cluster has now."""
    service.write(lambda c, at: clusters.note_queues(c, {sent.name: sent.queues}))
    return Done()
