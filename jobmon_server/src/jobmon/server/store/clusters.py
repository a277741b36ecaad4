"""Clusters and the limits of their queues, as clients and administrators made them known."""

import re
from collections.abc import Mapping, Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.core.exceptions import Conflict, InvalidRequest
from jobmon.core.resources import QueueLimits
from jobmon.core.wire import ClusterAnswer, ClusterInfo, ClusterList, ClusterRequest
from jobmon.server.db import AnyRow, insert, insert_one
from jobmon.server.tables import cluster, queue

LONGEST_QUEUE = 255
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")  # it names folders, and options in the environment


def known(connection: Connection) -> ClusterList:
    """All clusters by name, each with its queues."""
    queues: dict[int, dict[str, dict[str, int | None]]] = {}
    for row in connection.execute(sa.select(queue).order_by(queue.c.id)):
        queues.setdefault(row.cluster_id, {})[row.name] = _limits(row.limits)
    rows = connection.execute(sa.select(cluster).order_by(cluster.c.name))
    return ClusterList(
        clusters=[
            ClusterInfo(name=row.name, kind=row.kind, queues=queues.get(row.id, {}), options=_options(row))
            for row in rows
        ]
    )


def add(connection: Connection, request: ClusterRequest) -> ClusterAnswer:
    """Make a cluster known, or replace the options of one that is.

    Raises InvalidRequest for an unusable name, Conflict when the cluster is of another kind.
    """
    found = connection.execute(sa.select(cluster).where(cluster.c.name == request.name).with_for_update()).first()
    if found is None:
        _insert(connection, request.name, request.kind, request.options)
        return ClusterAnswer(new=True)
    if found.kind != request.kind:
        raise Conflict(
            f"cluster {request.name!r} is of kind {found.kind!r} and cannot become one of kind {request.kind!r}. "
            "Give the new one another name."
        )
    had = _options(found)
    if had == request.options:
        return ClusterAnswer(new=False)
    own = cluster.c.id == found.id
    connection.execute(sa.update(cluster).where(own).values(options=_text(request.options)))
    return ClusterAnswer(new=False, replaced=had)


def note_queues(connection: Connection, queues: Mapping[str, Sequence[QueueLimits]]) -> None:
    """Keep the newest limits of each cluster's queues; queues that are gone are removed.

    A cluster that nobody has made known is its own kind. Raises InvalidRequest for an unusable name.
    """
    for name, limits in queues.items():
        _check_queues(name, limits)
        cluster_id = connection.execute(sa.select(cluster.c.id).where(cluster.c.name == name)).scalar()
        if cluster_id is None:
            cluster_id = _insert(connection, name, name, {})
        wanted = [(one.name, msgspec.json.encode(one).decode()) for one in limits]
        stored = sa.select(queue.c.name, queue.c.limits).where(queue.c.cluster_id == cluster_id)
        if [tuple(row) for row in connection.execute(stored.order_by(queue.c.id))] == wanted:
            continue
        connection.execute(sa.delete(queue).where(queue.c.cluster_id == cluster_id))
        rows = [(cluster_id, queue_name, text) for queue_name, text in wanted]
        insert(connection, queue, ("cluster_id", "name", "limits"), rows)


def _insert(connection: Connection, name: str, kind: str, options: Mapping[str, str]) -> int:
    for what, text in (("cluster", name), ("kind of cluster", kind)):
        if not _NAME.fullmatch(text):
            raise InvalidRequest(
                f"the {what} {text[:80]!r}: a name has 1 to 64 letters, digits, '_', '-' or '.', and begins with "
                "a letter, a digit or '_'"
            )
    return insert_one(connection, cluster, {"name": name, "kind": kind, "options": _text(options)})


def _check_queues(name: str, limits: Sequence[QueueLimits]) -> None:
    names = [one.name for one in limits]
    if len(set(names)) < len(names) or not all(0 < len(one) <= LONGEST_QUEUE for one in names):
        raise InvalidRequest(
            f"the queues of cluster {name[:80]!r} must have different names of 1 to {LONGEST_QUEUE} characters; "
            f"they are {', '.join(names)[:1000]}"
        )


def _options(row: AnyRow) -> dict[str, str]:
    return msgspec.json.decode(row.options, type=dict[str, str])


def _text(options: Mapping[str, str]) -> str:
    return msgspec.json.encode(options, order="sorted").decode()


def _limits(text: str) -> dict[str, int | None]:
    limits: dict[str, int | None] = msgspec.structs.asdict(msgspec.json.decode(text, type=QueueLimits))
    del limits["name"]
    return limits
