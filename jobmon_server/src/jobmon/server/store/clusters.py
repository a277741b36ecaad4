"""Clusters and the limits of their queues, as clients and administrators made them known."""

from collections.abc import Mapping, Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.core.resources import QueueLimits
from jobmon.server.db import insert, insert_one
from jobmon.server.tables import cluster, queue


def note_queues(connection: Connection, queues: Mapping[str, Sequence[QueueLimits]]) -> None:
    """Keep the newest limits of each cluster's queues; queues that are gone are removed."""
    for name, limits in queues.items():
        cluster_id = connection.execute(sa.select(cluster.c.id).where(cluster.c.name == name)).scalar()
        if cluster_id is None:
            cluster_id = insert_one(connection, cluster, {"name": name, "kind": name})
        wanted = [(one.name, msgspec.json.encode(one).decode()) for one in limits]
        known = sa.select(queue.c.name, queue.c.limits).where(queue.c.cluster_id == cluster_id)
        if [tuple(row) for row in connection.execute(known.order_by(queue.c.id))] == wanted:
            continue
        connection.execute(sa.delete(queue).where(queue.c.cluster_id == cluster_id))
        rows = [(cluster_id, queue_name, text) for queue_name, text in wanted]
        insert(connection, queue, ("cluster_id", "name", "limits"), rows)
