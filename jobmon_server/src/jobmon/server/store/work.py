"""Work: what whoever runs commands tells and asks - outcomes, signs of life, claims.

A claim is the only way to start a command. It binds the attempt to one runner; a second copy of the job (a
requeue, a split brain) is told to wait while the first may live and to go away when the attempt is over.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.core.constants import FailureClass
from jobmon.core.exceptions import Forbidden, InvalidRequest
from jobmon.core.ids import TaskInstanceId
from jobmon.core.paths import file_name, output_dirs
from jobmon.core.resources import Resources
from jobmon.core.transitions import final
from jobmon.core.wire import Claim, Denial, Grant, WorkAnswer, WorkRequest
from jobmon.server.db import AnyRow, insert, one_of, spans, within
from jobmon.server.store.moves import Stamp, move
from jobmon.server.store.outcomes import ENDS, End, apply, doubt, present
from jobmon.server.store.owners import of_attempt
from jobmon.server.tables import batch, resources, spare_place, task, task_instance, task_spec, workflow
from jobmon.server.tokens import attempt_token, same

WAIT_SECONDS = 30.0


def anybody(what: str, owner: str) -> None:
    """Whose it is does not matter: the caller has shown that it may do everything."""


class Rules(NamedTuple):
    """What the server's settings say about attempts, and which of them the caller may start.

    `allow` is called with a workflow's name and owner; it raises Forbidden.
    """

    secret: bytes
    heartbeat_seconds: float
    silence_seconds: float  # after so long without a sign of life an attempt is suspected
    allow: Callable[[str, str], None] = anybody


def work(connection: Connection, request: WorkRequest, rules: Rules, at: float) -> tuple[WorkAnswer, set[int]]:
    """Take a runner's report and answer its claims; also names the workflows that have news.

    Raises Forbidden when an outcome's token is not the one of its attempt and runner, and what `allow` raises.
    """
    if not request.runner:
        raise InvalidRequest("a runner without a name cannot be told from the others: `runner` is empty")
    stamp = Stamp(at, f"runner {request.node}"[:64])
    touched, late = _outcomes(connection, request, rules, stamp)
    stop = _alive(connection, request, rules, stamp) if request.alive else []
    grants: list[Grant] = []
    denials: list[Denial] = []
    is_news = bool(request.outcomes) and not late
    for claim in request.claims:
        if claim.further:
            _further(connection, claim, request, rules, stamp, is_news, grants, denials)
        else:
            touched |= _claim(connection, claim, request, rules, stamp, grants, denials)
    answer = WorkAnswer(
        grants=grants, denials=denials, stop=stop, late=late, heartbeat_seconds=rules.heartbeat_seconds
    )
    return answer, touched


def _outcomes(connection: Connection, request: WorkRequest, rules: Rules, stamp: Stamp) -> tuple[set[int], int]:
    if not request.outcomes:
        return set(), 0
    ends = []
    for one in request.outcomes:
        if one.status not in (*ENDS, "T"):
            raise InvalidRequest(f"attempt {one.instance_id}: {one.status!r} is not an end; known: {ENDS} and T")
        if not same(one.token, attempt_token(rules.secret, one.instance_id, request.runner)):
            rules.allow(f"attempt {one.instance_id}", of_attempt(connection, one.instance_id))
            raise Forbidden(f"attempt {one.instance_id} was not granted to runner {request.runner}")
        fields = (one.instance_id, one.status, one.failure_class, one.message, one.exit_code)
        ends.append(End(*fields, one.peak_memory_bytes, one.cpu_seconds, one.wall_seconds))
    rows = present(connection, [end.instance_id for end in ends])
    own = {id: row for id, row in rows.items() if row.runner == request.runner}
    unexplained = [end for end in ends if end.status == "T" and end.instance_id in own]
    doubted = {own[end.instance_id].workflow_id for end in unexplained}
    ends = [_explained(end) for end in ends if end not in unexplained or own[end.instance_id].status == "K"]
    doubt(connection, unexplained, own, stamp)
    touched, late = apply(connection, ends, own, stamp)
    return touched | doubted, late


def _explained(end: End) -> End:
    """The end that the batch system brought to an attempt which we wanted gone is the kill."""
    return end._replace(status="F", failure_class=FailureClass.KILLED) if end.status == "T" else end


def _alive(connection: Connection, request: WorkRequest, rules: Rules, stamp: Stamp) -> list[TaskInstanceId]:
    """Put off the deadlines of running attempts; returns those that must stop."""
    stop: list[TaskInstanceId] = []
    for size, ids, where in spans(request.alive):
        where |= {"by": request.runner, "said": request.sequence, "until": stamp.at + rules.silence_seconds}
        if connection.execute(_put_off(size), where).rowcount < len(ids):
            stop += _not_running(connection, size, ids, where, stamp)
    return stop


def _not_running(
    connection: Connection, size: int, ids: Sequence[int], where: Mapping[str, Any], stamp: Stamp
) -> list[TaskInstanceId]:
    """Which of them must stop. Those that had only been silent go on; what was said before says nothing now."""
    rows = {row.id: row for row in connection.execute(_spoken_of(size), where)}
    late: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)
    for row in rows.values():
        if row.status == "T" and row.sequence < where["said"]:
            late[row.workflow_id].append((row.id, "T"))
    for workflow_id, members in late.items():
        move(connection, "task_instance", workflow_id, members, "R", stamp)
    if late:
        connection.execute(_put_off(size), where)
    return [TaskInstanceId(id) for id in ids if id not in rows or rows[id].status not in "RT"]


@lru_cache(maxsize=64)
def _put_off(size: int) -> sa.Update:
    table = task_instance
    return (
        sa.update(table)
        .where(within(table.c.id, size), table.c.runner == sa.bindparam("by"), one_of(table.c.status, "R"))
        .where(table.c.sequence < sa.bindparam("said"))
        .values(deadline_at=sa.bindparam("until"), sequence=sa.bindparam("said"))
    )


@lru_cache(maxsize=64)
def _spoken_of(size: int) -> "sa.Select[Any]":
    table = task_instance
    columns = (table.c.id, table.c.workflow_id, table.c.status, table.c.sequence)
    return sa.select(*columns).where(within(table.c.id, size), table.c.runner == sa.bindparam("by"))


def _give_up(connection: Connection, asked: Sequence[AnyRow], request: WorkRequest, stamp: Stamp) -> set[int]:
    """End attempts asked for whose runner fell silent when the cluster has started another process for them.

    Its new process says that the cluster holds the first one for dead, and the first one's lease is over. The
    new process is not given the attempt: a fresh one follows. Should the first be alive, it is told to stop.
    """
    forsaken = [
        End(row.id, "X", FailureClass.INFRASTRUCTURE, f"its runner fell silent; started anew on {request.node}")
        for row in asked
        if _is_forsaken(row, request.runner, stamp.at)
    ]
    rows = present(connection, [end.instance_id for end in forsaken])
    return apply(connection, forsaken, rows, stamp)[0]


def _claim(
    connection: Connection,
    claim: Claim,
    request: WorkRequest,
    rules: Rules,
    stamp: Stamp,
    grants: list[Grant],
    denials: list[Denial],
) -> set[int]:
    batch = _batch(connection, claim, rules)
    rows = _attempts(connection, claim, batch)
    if touched := _give_up(connection, rows, request, stamp):
        rows = _attempts(connection, claim, batch)
    granted = [row for row in rows if _is_free(row) or _is_own(row, request)]
    ids = {row.id for row in granted}
    denials += [_denial(claim, batch, row) for row in rows if row.id not in ids]
    if granted:
        _start(connection, batch, granted, request, rules, stamp)
        grants.append(_grant(batch, granted, request.runner, rules))
    return touched


def _further(
    connection: Connection,
    claim: Claim,
    request: WorkRequest,
    rules: Rules,
    stamp: Stamp,
    is_news: bool,
    grants: list[Grant],
    denials: list[Denial],
) -> None:
    """Lend a place on the cluster whose own attempt was short: the last that nobody has started is started there.

    Its own place is spare then. A job that starts in it all the same finds the attempt taken, and ends. A request
    whose outcome is no news was answered before: it is answered alike, and starts nothing.
    """
    batch = _batch(connection, claim, rules)
    bounds = {"first": batch.first_instance_id, "last": batch.first_instance_id + batch.size - 1}
    place = batch.first_instance_id + claim.start
    if is_news:
        found = connection.execute(_UNSTARTED, bounds).scalar()
    else:
        found = connection.execute(_LENT, {**bounds, "place": place, "runner": request.runner}).scalar()
    if found is None:
        denials.append(_none_left(claim, place))
        return
    rows = _attempts(connection, Claim(batch_id=batch.id, start=found - batch.first_instance_id), batch)
    if is_news:
        _start(connection, batch, rows, request, rules, stamp, {"place": place})
        spare = (batch.workflow_id, found, stamp.at)
        insert(connection, spare_place, ("workflow_id", "task_instance_id", "at"), [spare])
    grants.append(_grant(batch, rows, request.runner, rules))


_IN_BATCH = (
    sa.select(task_instance.c.id)
    .where(task_instance.c.id.between(sa.bindparam("first"), sa.bindparam("last")))
    .order_by(task_instance.c.id.desc())
    .limit(1)
    .with_for_update(skip_locked=True)
)
_UNSTARTED = _IN_BATCH.where(one_of(task_instance.c.status, "O"))
_LENT = _IN_BATCH.where(  # its answer was lost
    one_of(task_instance.c.status, "RT"),
    task_instance.c.place == sa.bindparam("place"),
    task_instance.c.runner == sa.bindparam("runner"),
)


def _none_left(claim: Claim, place: int) -> Denial:
    return Denial(batch_id=claim.batch_id, index=claim.start, instance_id=TaskInstanceId(place), verdict="gone")


def _start(
    connection: Connection,
    batch: AnyRow,
    granted: Sequence[AnyRow],
    request: WorkRequest,
    rules: Rules,
    stamp: Stamp,
    where: Mapping[str, int] | None = None,
) -> None:
    """Bind attempts to the runner that starts them now."""
    fresh = [row for row in granted if _is_free(row)]
    values = {
        **(where or {}),
        "runner": request.runner,
        "node": request.node[:255],
        "sequence": request.sequence,
        "deadline_at": stamp.at + rules.silence_seconds,
    }
    instances = [(row.id, row.status) for row in fresh]
    move(connection, "task_instance", batch.workflow_id, instances, "R", stamp, values)
    tasks = [(row.task_id, row.task_status) for row in fresh]
    move(connection, "task", batch.workflow_id, tasks, "R", stamp)


def _is_forsaken(row: AnyRow, runner: str, at: float) -> bool:
    return row.status == "T" and row.runner not in ("", runner) and row.status_at + WAIT_SECONDS <= at


def _is_free(row: AnyRow) -> bool:
    """Nobody was granted it yet; also when it waited on the cluster for so long that it is suspected."""
    return row.status in "IO" or (row.status == "T" and not row.runner)


def _is_own(row: AnyRow, request: WorkRequest) -> bool:
    return row.status in "RT" and row.runner == request.runner


def _batch(connection: Connection, claim: Claim, rules: Rules) -> AnyRow:
    row = connection.execute(_BATCH, {"of": claim.batch_id}).one_or_none()
    if row is None:
        raise InvalidRequest(f"there is no batch {claim.batch_id}")
    rules.allow(f"workflow {row.workflow_id}", row.owner)
    if claim.start < 0 or claim.count < 1 or claim.start + claim.count > row.size:
        raise InvalidRequest(
            f"batch {claim.batch_id} has the indices 0..{row.size - 1}, "
            f"not {claim.start}..{claim.start + claim.count - 1}"
        )
    return row


_BATCH = (
    sa.select(
        batch.c.id,
        batch.c.workflow_id,
        batch.c.workflow_run_id,
        batch.c.size,
        batch.c.first_instance_id,
        workflow.c.run_dir,
        workflow.c.owner,
        resources.c.requested,
    )
    .join(workflow, workflow.c.id == batch.c.workflow_id)
    .join(resources, resources.c.id == batch.c.resources_id)
    .where(batch.c.id == sa.bindparam("of"))
)


def _attempts(connection: Connection, claim: Claim, batch: AnyRow) -> Sequence[AnyRow]:
    first = batch.first_instance_id + claim.start
    return connection.execute(_ATTEMPTS, {"first": first, "last": first + claim.count - 1}).all()


_ATTEMPTS = (
    sa.select(
        task_instance.c.id,
        task_instance.c.task_id,
        task_instance.c.attempt,
        task_instance.c.status,
        task_instance.c.status_at,
        task_instance.c.runner,
        task_instance.c.place,
        task.c.status.label("task_status"),
        task_spec.c.name,
        task_spec.c.command,
    )
    .join(task, task.c.id == task_instance.c.task_id)
    .join(task_spec, task_spec.c.task_id == task_instance.c.task_id)
    .where(task_instance.c.id.between(sa.bindparam("first"), sa.bindparam("last")))
    .order_by(task_instance.c.id)
    .with_for_update()
)


def _denial(claim: Claim, batch: AnyRow, row: AnyRow) -> Denial:
    gone = row.status in final("task_instance") or row.status == "K" or row.place is not None
    return Denial(
        batch_id=claim.batch_id,
        index=row.id - batch.first_instance_id,
        instance_id=row.id,
        verdict="gone" if gone else "wait",
        retry_after_seconds=0 if gone else WAIT_SECONDS,
    )


def _grant(batch: AnyRow, rows: Sequence[AnyRow], runner: str, rules: Rules) -> Grant:
    resources = msgspec.json.decode(batch.requested, type=Resources)
    stdout_dir, stderr_dir = output_dirs(batch.run_dir, batch.workflow_id, batch.id, resources.options)
    return Grant(
        batch_id=batch.id,
        workflow_id=batch.workflow_id,
        workflow_run_id=batch.workflow_run_id,
        resources=resources,
        stdout_dir=stdout_dir,
        stderr_dir=stderr_dir,
        index=[row.id - batch.first_instance_id for row in rows],
        instance_id=[row.id for row in rows],
        task_id=[row.task_id for row in rows],
        attempt=[row.attempt for row in rows],
        name=[file_name(row.name) for row in rows],
        command=[row.command for row in rows],
        token=[attempt_token(rules.secret, row.id, runner) for row in rows],
    )
