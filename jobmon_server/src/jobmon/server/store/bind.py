"""Bind: a workflow is announced, its tasks come in chunks, the last chunk makes it complete.

Announcing reserves blocks of ids, so that tasks and gates are inserted under known ids and nothing is read
back. A repeated announcement or chunk changes nothing; a bind that was cut off goes on at its next chunk.
"""

from collections import Counter
from collections.abc import Callable

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.core import hashing
from jobmon.core.exceptions import (
    Conflict,
    InvalidRequest,
    NotFound,
    RunInProgress,
    WorkflowAlreadyComplete,
    WorkflowAlreadyExists,
)
from jobmon.core.ids import ArrayId, GateId, ResourcesId, TaskId, WorkflowId
from jobmon.core.wire import BindAnswer, BindRequest, ChunkRequest, TaskResources
from jobmon.server import tables
from jobmon.server.db import AnyRow, among, insert, insert_one, reserve
from jobmon.server.store.chunk_checks import check_columns, check_ids, check_positions
from jobmon.server.store.clusters import note_queues
from jobmon.server.store.made import made_by
from jobmon.server.store.runs import describe_holder, live_run
from jobmon.server.store.tools import choose_version, find_or_make_templates

BIND_SECONDS = 24 * 3600.0
PENDING_SPEC = "pending:"


def announce(
    connection: Connection,
    request: BindRequest,
    at: float,
    allow: Callable[[str, str], None] = lambda what, owner: None,
) -> BindAnswer:
    """Store the workflow, or recognise it. `allow` is called with one that is known and its owner.

    Raises what `allow` raises; InvalidRequest for parts that do not fit together and for the request_id of
    another workflow; WorkflowAlreadyExists, RunInProgress or WorkflowAlreadyComplete as the table of identity in
    the documentation says.
    """
    version_id = choose_version(connection, request.tool_name, request.tool_version_id)
    note_queues(connection, request.queues)
    table = tables.workflow
    same = (table.c.tool_version_id == version_id) & (table.c.args_hash == request.args_hash)
    found = connection.execute(sa.select(table).where(same).with_for_update()).one_or_none()
    if found is not None:
        allow(f"workflow {found.id} of this tool with these workflow_args", found.owner)
    if found is not None and found.bound_at is None and not _is_same(found, request):
        discard(connection, found)  # a half-bound one of another content: nothing of it ever ran
        found = None
    if found is None:
        return _create(connection, request, version_id, at)
    if found.bound_at is None or found.request_id == request.request_id:
        send = "none" if found.bound_at else "all"
        return _answer(connection, found, request, send)
    _may_bind_again(connection, found, request, at)
    return _bind_again(connection, found, request)


def _is_same(found: AnyRow, request: BindRequest) -> bool:
    return (found.identity_hash, found.order_hash, found.spec_hash) == (
        request.identity_hash,
        request.order_hash,
        request.spec_hash,
    )


def _may_bind_again(connection: Connection, found: AnyRow, request: BindRequest, at: float) -> None:
    known = f"workflow {found.id} ({found.name!r}, args {found.args[:80]!r}, owner {found.owner})"
    if found.identity_hash != request.identity_hash:
        raise WorkflowAlreadyExists(
            f"{known} has the same workflow_args but other tasks or dependencies ({found.task_count} tasks "
            f"there, {request.task_count} here). Use other workflow_args for another workflow."
        )
    if found.status == "D":
        raise WorkflowAlreadyComplete(f"{known} is done already. Use other workflow_args to run it anew.")
    run = live_run(connection, found.id)
    if run is not None and not request.resume:
        raise RunInProgress(
            f"{known} is being run: {describe_holder(run)}. Use run(resume=True) to take it over, or follow "
            f"it with `jobmon workflow status -w {found.id}`."
        )
    if not request.resume and found.current_run_id is not None:  # else its script ended before it began a run
        raise WorkflowAlreadyExists(f"{known} exists and is not finished. Use run(resume=True) to go on with it.")


def _bind_again(connection: Connection, found: AnyRow, request: BindRequest) -> BindAnswer:
    table = tables.workflow
    own = table.c.id == found.id
    named = {"name": request.name[:255], "description": request.description}
    connection.execute(sa.update(table).where(own).values(**named))
    same_order = found.order_hash == request.order_hash
    if not same_order or found.spec_hash == request.spec_hash:
        return _answer(connection, found, request, "none")
    wanted = PENDING_SPEC + request.spec_hash
    if found.spec_hash == wanted:  # asked for before: it goes on where it was cut off
        return _answer(connection, found, request, "specs")
    connection.execute(sa.update(table).where(own).values(next_chunk=0, spec_hash=wanted))
    add_resources(connection, found.id, request.resources)
    again = connection.execute(sa.select(table).where(own)).one()
    return _answer(connection, again, request, "specs")


def _check_parts(request: BindRequest) -> None:
    if request.task_count < 1 or request.gate_count < 1:
        raise InvalidRequest("a workflow has at least one task and one gate")
    names = set()
    for one in request.arrays:
        if not 0 <= one.template < len(request.templates):
            raise InvalidRequest(
                f"array {one.name!r} names template {one.template}; the workflow has {len(request.templates)}"
            )
        if one.name in names:
            raise InvalidRequest(f"two arrays of the workflow are called {one.name!r}")
        names.add(one.name)


def _create(connection: Connection, request: BindRequest, version_id: int, at: float) -> BindAnswer:
    _check_parts(request)
    made_by(
        connection, tables.workflow, request.request_id, args_hash=request.args_hash, tool_version_id=version_id
    )
    row = {
        "tool_version_id": version_id,
        "args_hash": request.args_hash,
        "args": request.args,
        "name": request.name[:255],
        "description": request.description,
        "owner": request.owner,
        "run_dir": request.run_dir,
        "request_id": request.request_id,
        "identity_hash": request.identity_hash,
        "order_hash": request.order_hash,
        "spec_hash": request.spec_hash,
        "status": "G",
        "status_at": at,
        "created_at": at,
        "deadline_at": at + BIND_SECONDS,
        "max_concurrently_running": request.max_concurrently_running,
        "first_task_id": reserve(connection, "task", request.task_count),
        "task_count": request.task_count,
        "first_gate_id": reserve(connection, "gate", request.gate_count),
        "gate_count": request.gate_count,
        "next_chunk": 0,
    }
    workflow_id = insert_one(connection, tables.workflow, row)
    attributes = [(workflow_id, name, value) for name, value in request.attributes.items()]
    insert(connection, tables.workflow_attribute, ("workflow_id", "name", "value"), attributes)
    template_ids = find_or_make_templates(connection, version_id, request.templates)  # type: ignore[arg-type]
    insert(
        connection,
        tables.array,
        ("workflow_id", "template_version_id", "name", "max_concurrently_running"),
        [(workflow_id, template_ids[a.template], a.name, a.max_concurrently_running) for a in request.arrays],
    )
    add_resources(connection, workflow_id, request.resources)
    found = connection.execute(sa.select(tables.workflow).where(tables.workflow.c.id == workflow_id)).one()
    return _answer(connection, found, request, "all")


def resources_digest(resources: TaskResources) -> str:
    """What makes two sets of resources the same one."""
    return hashing.text_hash(msgspec.json.encode(resources, order="deterministic").decode())


def add_resources(connection: Connection, workflow_id: int, wanted: list[TaskResources]) -> None:
    """Store the sets of resources that the workflow does not have yet."""
    known = resources_by_digest(connection, workflow_id)
    fresh = {resources_digest(one): one for one in wanted}
    insert(
        connection,
        tables.resources,
        ("workflow_id", "digest", "cluster", "requested", "scales", "fallback_queues", "step"),
        [
            (workflow_id, digest, one.cluster, *_resources_texts(one), 0)
            for digest, one in fresh.items()
            if digest not in known
        ],
    )


def _resources_texts(one: TaskResources) -> tuple[str, str, str]:
    texts = (msgspec.json.encode(part).decode() for part in (one.requested, one.scales, one.fallback_queues))
    requested, scales, queues = texts
    return requested, scales, queues


def resources_by_digest(connection: Connection, workflow_id: int) -> dict[str, int]:
    """Ids of a workflow's sets of resources by their digests."""
    table = tables.resources
    rows = sa.select(table.c.digest, table.c.id).where(table.c.workflow_id == workflow_id)
    return {row.digest: row.id for row in connection.execute(rows)}


def _answer(connection: Connection, found: AnyRow, request: BindRequest, send: str) -> BindAnswer:
    arrays = sa.select(tables.array.c.name, tables.array.c.id, tables.array.c.done).where(
        tables.array.c.workflow_id == found.id
    )
    rows = connection.execute(arrays).all()
    ids = {row.name: row.id for row in rows}
    by_digest = resources_by_digest(connection, found.id)
    resources = [by_digest.get(resources_digest(one), 0) for one in request.resources]
    return BindAnswer(
        workflow_id=WorkflowId(found.id),
        first_task_id=TaskId(found.first_task_id),
        first_gate_id=GateId(found.first_gate_id),
        array_ids=[ArrayId(ids[array.name]) for array in request.arrays],
        resources_ids=[ResourcesId(id) for id in resources],
        send=send,
        next_chunk=found.next_chunk if send != "none" else 0,
        same_order=found.order_hash == request.order_hash,
        done_count=sum(row.done for row in rows),
    )


def add_chunk(connection: Connection, workflow_id: WorkflowId, request: ChunkRequest, at: float) -> None:
    """Store one chunk of tasks. Repeating one is harmless; leaving one out is a Conflict."""
    table = tables.workflow
    found = connection.execute(sa.select(table).where(table.c.id == workflow_id).with_for_update()).one_or_none()
    if found is None:
        raise NotFound(f"there is no workflow {workflow_id}")
    respecify = found.spec_hash.startswith(PENDING_SPEC)
    if request.index < found.next_chunk or (found.bound_at is not None and not respecify):
        return
    if request.index > found.next_chunk:
        raise Conflict(f"chunk {request.index} of workflow {workflow_id} came before chunk {found.next_chunk}")
    check_columns(request)
    check_positions(request, found.task_count, found.gate_count)
    check_ids(connection, tables.array, workflow_id, request.array)
    check_ids(connection, tables.resources, workflow_id, request.resources)
    if respecify:
        _replace_specs(connection, found, request)
    else:
        _insert_tasks(connection, found, request)
    changes: dict[str, object] = {"next_chunk": found.next_chunk + 1, "deadline_at": at + BIND_SECONDS}
    if request.last:
        changes |= {"bound_at": at, "spec_hash": found.spec_hash.removeprefix(PENDING_SPEC)}
        _check_complete(connection, found)
    connection.execute(sa.update(table).where(table.c.id == workflow_id).values(**changes))


def _insert_tasks(connection: Connection, found: AnyRow, request: ChunkRequest) -> None:
    n = len(request.array)
    first_task, first_gate = found.first_task_id, found.first_gate_id
    ids = range(first_task + request.first, first_task + request.first + n)
    deferred = set(request.deferred)
    insert(
        connection,
        tables.task,
        ("id", "workflow_id", "array_id", "gate_id", "resources_id", "status", "max_attempts", "deferred"),
        zip(
            ids,
            [found.id] * n,
            request.array,
            [first_gate + gate for gate in request.gate],
            request.resources,
            ["G"] * n,
            request.max_attempts,
            [position in deferred for position in range(n)] if deferred else [False] * n,
            strict=True,
        ),
    )
    _insert_specs(connection, ids, request)
    gates = [
        (first_gate + request.gate_first + i, found.id, remaining, "O" if remaining == 0 else "S", 0)
        for i, remaining in enumerate(request.gate_remaining)
    ]
    insert(connection, tables.gate, ("id", "workflow_id", "remaining", "state", "passed_upto"), gates)
    members = zip(
        [first_task + position for position in request.member_task],
        [first_gate + gate for gate in request.member_gate],
        strict=True,
    )
    insert(connection, tables.gate_member, ("task_id", "gate_id"), members)
    _insert_attributes(connection, first_task, request)
    counts = [{"key": array_id, "n": count} for array_id, count in Counter(request.array).items()]
    if counts:  # a chunk may hold nothing but members
        connection.execute(_ADD_TOTAL, counts)


_ADD_TOTAL = (
    sa.update(tables.array)
    .where(tables.array.c.id == sa.bindparam("key"))
    .values(total=tables.array.c.total + sa.bindparam("n"))
)


def _insert_specs(connection: Connection, ids: range, request: ChunkRequest) -> None:
    text = request.node_hash
    hashes = [text[i : i + 32] for i in range(0, len(text), 32)]
    insert(
        connection,
        tables.task_spec,
        ("task_id", "name", "command", "node_args", "node_hash"),
        zip(ids, request.name, request.command, request.node_args, hashes, strict=True),
    )


def _insert_attributes(connection: Connection, first_task: int, request: ChunkRequest) -> None:
    rows = zip(
        [first_task + position for position in request.attribute_task],
        request.attribute_name,
        request.attribute_value,
        strict=True,
    )
    insert(connection, tables.task_attribute, ("task_id", "name", "value"), rows)


def _replace_specs(connection: Connection, found: AnyRow, request: ChunkRequest) -> None:
    """Names, commands, attempts and resources of a workflow that is bound again; done tasks keep theirs."""
    n = len(request.array)
    first = found.first_task_id + request.first
    ids = range(first, first + n)
    spec, task = tables.task_spec, tables.task
    connection.execute(sa.delete(spec).where(spec.c.task_id.between(first, first + n - 1)))
    _insert_specs(connection, ids, request)
    groups: dict[tuple[int, int], list[int]] = {}
    for task_id, attempts, resources in zip(ids, request.max_attempts, request.resources, strict=True):
        groups.setdefault((attempts, resources), []).append(task_id)
    for (attempts, resources), members in groups.items():
        connection.execute(
            sa.update(task)
            .where(among(task.c.id, members), task.c.status != "D")
            .values(max_attempts=attempts, resources_id=resources)
        )


def _check_complete(connection: Connection, found: AnyRow) -> None:
    """All announced tasks and gates are there; otherwise nothing of the last chunk is kept."""
    for table, first, count in (
        (tables.task, found.first_task_id, found.task_count),
        (tables.gate, found.first_gate_id, found.gate_count),
    ):
        within = table.c.id.between(first, first + count - 1)
        stored = connection.execute(sa.select(sa.func.count()).select_from(table).where(within)).scalar_one()
        if stored != count:
            raise Conflict(f"workflow {found.id}: {count} rows of {table.name} were announced, {stored} came")


def discard(connection: Connection, found: AnyRow) -> None:
    """Remove a workflow that never ran, with everything that came in for it."""
    tasks = (found.first_task_id, found.first_task_id + found.task_count - 1)
    for table, column in (
        (tables.gate_member, tables.gate_member.c.task_id),
        (tables.task_spec, tables.task_spec.c.task_id),
        (tables.task_attribute, tables.task_attribute.c.task_id),
        (tables.task, tables.task.c.id),
    ):
        connection.execute(sa.delete(table).where(column.between(*tasks)))
    for table in (tables.gate, tables.array, tables.resources, tables.workflow_attribute):
        connection.execute(sa.delete(table).where(table.c.workflow_id == found.id))
    connection.execute(sa.delete(tables.workflow).where(tables.workflow.c.id == found.id))
