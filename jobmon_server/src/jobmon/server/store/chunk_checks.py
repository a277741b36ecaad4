"""What a chunk of tasks must be like before anything of it is stored. All raise InvalidRequest."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.core.exceptions import InvalidRequest
from jobmon.core.wire import ChunkRequest

HASH_DIGITS = 32


def check_columns(request: ChunkRequest) -> None:
    """Columns that belong together have one length."""
    tasks: tuple[Sequence[object], ...] = (
        request.array,
        request.gate,
        request.resources,
        request.max_attempts,
        request.name,
        request.command,
        request.node_args,
    )
    lengths = {*(len(column) for column in tasks), len(request.node_hash) / HASH_DIGITS}
    members = {len(request.member_task), len(request.member_gate)}
    attributes = {len(request.attribute_task), len(request.attribute_name), len(request.attribute_value)}
    for found in (lengths, members, attributes):
        if len(found) != 1:
            raise InvalidRequest(f"the columns of chunk {request.index} have different lengths: {sorted(found)}")


def check_positions(request: ChunkRequest, task_count: int, gate_count: int) -> None:
    """Nothing reaches out of the blocks of ids that the workflow was given: the next one belongs to another."""
    n = len(request.array)
    last_gate = request.gate_first + len(request.gate_remaining)
    for what, positions, count in (
        ("task", range(request.first, request.first + n), task_count),
        ("task in `deferred`", request.deferred, n),
        ("task in `member_task`", request.member_task, task_count),
        ("task in `attribute_task`", request.attribute_task, task_count),
        ("gate", range(request.gate_first, last_gate), gate_count),
        ("gate in `gate`", request.gate, gate_count),
        ("gate in `member_gate`", request.member_gate, gate_count),
    ):
        if positions and not 0 <= min(positions) <= max(positions) < count:
            raise InvalidRequest(f"chunk {request.index} names a {what} that is not among the {count} there are")


def check_ids(connection: Connection, table: sa.Table, workflow_id: int, ids: Sequence[int]) -> None:
    """All ids are of rows of this workflow."""
    used = set(ids)
    own = sa.select(table.c.id).where(table.c.workflow_id == workflow_id, table.c.id.in_(used))
    if unknown := used.difference(connection.execute(own).scalars()):
        raise InvalidRequest(f"workflow {workflow_id} has no {table.name} with id {min(unknown)}")
