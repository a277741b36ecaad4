"""The bugs: each a change of the source text of one module of the server."""

from types import ModuleType

from jobmon.server.engine import advance, limits, retries
from jobmon.server.store import absorb, deferred, gates, moves, outcomes, reconcile, runs, work

MUTANTS: dict[str, tuple[ModuleType, str, str]] = {  # name -> module, what stands there, what is put in its place
    "no fence": (advance, "request.fence != run.fence or not run.holder", "False"),
    "a run ends while attempts are active": (advance, "if more or sums.active or not (", "if more or not ("),
    "the workflow's limit does not see what is active": (
        limits,
        "workflow_limit - sum(room.active for room in rooms)",
        "workflow_limit",
    ),
    "an array's limit does not see what is active": (limits, "room.limit - room.active", "room.limit"),
    "one attempt too many": (retries, "failures < maximum", "failures <= maximum"),
    "the outbox is not emptied": (absorb, "connection.execute(_take_out(size), where)", "pass"),
    "a gate opens one task too early": (gates, "gate.c.remaining == 0", "gate.c.remaining <= 1"),
    "moves are not audited": (moves, "_note(connection, kind, ids, (workflow_id, old, new), stamp)", "pass"),
    "a second runner is granted a running attempt": (
        work,
        'return row.status in "RT" and row.runner == request.runner',
        'return row.status in "RT"',
    ),
    "a repeated claim is not granted": (
        work,
        'return row.status in "RT" and row.runner == request.runner',
        "return False",
    ),
    "a late outcome counts": (outcomes, "is_late(row.status, end.status)", "False"),
    "a kill is taken for what its report says": (outcomes, 'if old == "K" and end.status != "D":', "if False:"),
    "not knowing is taken for proof": (
        reconcile,
        'if one.state in ("over", "gone")',
        'if one.state in ("over", "gone", "unknown")',
    ),
    "silence is taken for proof": (
        reconcile,
        "def suspect(connection: Connection, workflow_id: int, stamp: Stamp) -> int:",
        "def suspect(connection, workflow_id, stamp):\n"
        "    table = tables.task_instance\n"
        "    silent = sa.select(table.c.id).where(table.c.status == 'R', table.c.deadline_at < stamp.at)\n"
        "    rows = present(connection, list(connection.execute(silent).scalars()))\n"
        "    apply(connection, [End(id, 'X', 'infrastructure') for id in rows], rows, stamp)\n"
        "    return len(rows)\n\n\n"
        "def _unused(connection: Connection, workflow_id: int, stamp: Stamp) -> int:",
    ),
    "silence is never noticed": (
        reconcile,
        'connection.execute(_SILENT, {"of": workflow_id, "at": stamp.at})',
        'connection.execute(_SILENT, {"of": workflow_id, "at": 0})',
    ),
    "a lease that lasts is given to another one": (
        runs,
        "if run.holder and run.deadline_at > at and not _seen_dead(run):",
        "if False:",
    ),
    "a resume does not count anew": (runs, "done = recount(connection, workflow_id).done", "done = 0"),
    "a resume queues what is not absorbed": (runs, '("E", task.c.due_at.is_not(None))', '("E", sa.true())'),
    "a repeated start is another one": (runs, "if again is not None:", "if False:"),
    "computed resources are taken twice": (deferred, 'task.c.status == "A", task.c.deferred', "sa.true()"),
}
