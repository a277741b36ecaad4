"""Larger resources after a resource error: one row for each step of a ladder, shared by all tasks on it."""

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.core.resources import QueueLimits, Resources, fit, scale_resources
from jobmon.server.db import AnyRow, insert_one
from jobmon.server.tables import cluster, queue, resources


class Ladder:
    """Finds or makes the next larger resources, asking the database once for each distinct set."""

    def __init__(self, connection: Connection) -> None:
        """Good for one transaction."""
        self._connection = connection
        self._next: dict[int, int] = {}

    def __call__(self, resources_id: int) -> int:
        """The id of the resources one step above."""
        if resources_id not in self._next:
            self._next[resources_id] = self._step(resources_id)
        return self._next[resources_id]

    def _step(self, resources_id: int) -> int:
        present = self._row(resources_id)
        original = self._row(present.original_id) if present.original_id else present
        step = present.step + 1
        digest = f"{original.digest}:{step}"
        known = sa.select(resources.c.id).where(
            resources.c.workflow_id == present.workflow_id, resources.c.digest == digest
        )
        found = self._connection.execute(known).scalar()
        return found or self._make(original, step, digest)

    def _make(self, original: AnyRow, step: int, digest: str) -> int:
        requested = msgspec.json.decode(original.requested, type=Resources)
        scales = msgspec.json.decode(original.scales, type=dict[str, float | list[int]])
        queues = msgspec.json.decode(original.fallback_queues, type=list[str])
        larger = scale_resources(requested, scales, step)
        larger = fit(larger, self._limits(original.cluster, [requested.queue, *queues]))
        row = {
            "workflow_id": original.workflow_id,
            "digest": digest,
            "cluster": original.cluster,
            "requested": msgspec.json.encode(larger).decode(),
            "scales": original.scales,
            "fallback_queues": original.fallback_queues,
            "original_id": original.id,
            "step": step,
        }
        return insert_one(self._connection, resources, row)

    def _row(self, resources_id: int) -> AnyRow:
        return self._connection.execute(sa.select(resources).where(resources.c.id == resources_id)).one()

    def _limits(self, cluster_name: str, names: list[str]) -> list[QueueLimits]:
        query = (
            sa.select(queue.c.name, queue.c.limits)
            .join(cluster, cluster.c.id == queue.c.cluster_id)
            .where(cluster.c.name == cluster_name)
            .order_by(queue.c.id)
        )
        known = {
            row.name: msgspec.json.decode(row.limits, type=QueueLimits) for row in self._connection.execute(query)
        }
        wanted = [known[name] for name in names if name in known]
        return wanted or list(known.values())[:1]
