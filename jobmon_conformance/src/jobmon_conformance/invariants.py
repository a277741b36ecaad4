"""The invariants of RELIABILITY.md over a server's database, and over a witness file if there is one.

`check` raises AssertionError that begins with the number of the broken one. It reads only, knows nothing of how
the rows came about, and may be called at any moment between two transactions.

A witness file is what the commands of a test wrote themselves, appending one line at a time:
"<task instance id> <anything without blanks> start" first, the same with "end" last (commas do as well).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Connection

from jobmon.core.transitions import TABLE, final
from jobmon.server.engine.retries import SYSTEM_FAILURES_MAX
from jobmon.server.store.counters import counted

KINDS = {"T": "task", "I": "task_instance", "R": "workflow_run", "W": "workflow"}
BEGIN = {"T": "G", "I": "I", "R": "G", "W": "G"}  # what a new row of each kind is
LEGAL = {(letter, move.old, move.new) for move in TABLE for letter, kind in KINDS.items() if kind == move.kind}
OVER = "', '".join(final("task_instance"))
WORKFLOW_OF_RUN = {"B": "Q", "I": "I", "O": "O", "R": "R", "D": "D", "E": "FH", "S": "F"}


def check(connection: Connection, witness: Path | None = None, limits: Mapping[str, int] | None = None) -> None:
    """Check all invariants.

    limits   the highest limit that was ever in force, by array name; "" is the workflow's own. An array
             that is left out is not looked at.
    """
    audit = _rows(connection, "SELECT kind, entity_id, workflow_id, old, new, why FROM audit ORDER BY id")
    for invariant in (_bound, _attempts, _gates, _owners, _runs, _counters, _causes):
        invariant(connection)
    _chain(connection, audit)
    _order(connection, audit)
    if limits is not None:
        _limits(connection, audit, limits)
    if witness is not None:
        check_witness(connection, witness.read_text().splitlines() if witness.exists() else [])


def check_witness(connection: Connection, lines: Iterable[str]) -> None:
    """I2 and I10: what the commands saw of themselves against what the database says of them."""
    told = [(int(attempt), word) for attempt, _, word in (line.replace(",", " ").split() for line in lines)]
    starts = Counter(attempt for attempt, word in told if word == "start")
    twice = [attempt for attempt, count in starts.items() if count > 1]
    assert not twice, f"I2: the commands of attempts {twice} were started more than once"
    instances = dict(_rows(connection, "SELECT id, task_id FROM task_instance"))
    statuses = dict(_rows(connection, "SELECT id, status FROM task_instance"))
    strange = starts.keys() - instances.keys()
    assert not strange, f"I2: attempts {strange} were started and are not in the database"
    newest: dict[int, int] = {}
    for attempt, word in told:
        task = instances[attempt]
        assert word == "start" or newest[task] == attempt, (
            f"I2: attempt {attempt} of task {task} ended while attempt {newest[task]} of the same task ran"
        )
        newest[task] = attempt
    ended = {attempt for attempt, word in told if word == "end"}
    unseen = [id for id, status in statuses.items() if status == "D" and id not in ended]
    assert not unseen, f"I10: attempts {unseen} are done in the database, and their commands did not say so"


def none_is_lost(connection: Connection, lines: Iterable[str]) -> None:
    """I10 of a finished workflow in which nothing was killed: whatever ended well is done in the database."""
    ended = {int(line.replace(",", " ").split()[0]) for line in lines if line.split()[-1].endswith("end")}
    done = {id for (id,) in _rows(connection, "SELECT id FROM task_instance WHERE status = 'D'")}
    assert ended == done, f"I10: attempts {ended ^ done} ended well, or are done, but not both"


def _rows(connection: Connection, text: str) -> Sequence[Any]:
    return connection.exec_driver_sql(text).all()


def _none(connection: Connection, promise: str, text: str) -> None:
    found = _rows(connection, text)
    assert not found, f"{promise}: {[tuple(row) for row in found[:5]]}"


def _bound(connection: Connection) -> None:
    counts = ", ".join(
        f"(SELECT COUNT(*) FROM {table} x WHERE x.{key} BETWEEN w.{first} AND w.{first} + w.{count} - 1) n_{table}"
        for table, key, first, count in (
            ("task", "id", "first_task_id", "task_count"),
            ("task_spec", "task_id", "first_task_id", "task_count"),
            ("gate", "id", "first_gate_id", "gate_count"),
        )
    )
    for row in _rows(connection, f"SELECT w.id, task_count, gate_count, bound_at, {counts} FROM workflow w"):
        found, announced = (row.n_task, row.n_task_spec, row.n_gate), (row.task_count,) * 2 + (row.gate_count,)
        if row.bound_at is not None:
            assert found == announced, f"I1: workflow {row.id} has {found} of {announced} tasks, specs, gates"


def _attempts(connection: Connection) -> None:
    _none(
        connection,
        f"I5: tasks with more failures than allowed (id, failures, max, system failures, {SYSTEM_FAILURES_MAX})",
        "SELECT id, failures, max_attempts, system_failures FROM task "
        f"WHERE failures > max_attempts OR system_failures > {SYSTEM_FAILURES_MAX}",
    )
    _none(
        connection,
        "I5: tasks whose count of attempts is not that of their attempts (id, said, found)",
        "SELECT t.id, t.attempts, COUNT(i.id) FROM task t LEFT JOIN task_instance i ON i.task_id = t.id "
        "GROUP BY t.id, t.attempts HAVING t.attempts <> COUNT(i.id)",
    )
    _none(
        connection,
        "I2: tasks with several attempts, or none, that are not over (id, status, attempts not over)",
        "SELECT t.id, t.status, COUNT(i.id) FROM task t "
        f"LEFT JOIN task_instance i ON i.task_id = t.id AND i.status NOT IN ('{OVER}') "
        "GROUP BY t.id, t.status "
        "HAVING COUNT(i.id) <> CASE WHEN t.status IN ('I', 'O', 'R') THEN 1 ELSE 0 END",
    )
    _none(
        connection,
        "I2: attempts that run and nobody was granted, or the other way round (id, status, runner)",
        "SELECT id, status, runner FROM task_instance "
        "WHERE (status = 'R' AND runner = '') OR (status IN ('I', 'O', 'W') AND runner <> '')",
    )
    _none(
        connection,
        "I4: done tasks whose newest attempt is not (task, attempt, status)",
        "SELECT t.id, i.id, i.status FROM task t JOIN task_instance i ON i.task_id = t.id "
        "WHERE (t.status = 'D' AND i.attempt = t.attempts AND i.status <> 'D') "
        "OR (t.status <> 'D' AND i.status = 'D')",
    )


def _gates(connection: Connection) -> None:
    _none(
        connection,
        "I7: gates that do not count their members right (gate, state, remaining, members not done)",
        "SELECT g.id, g.state, g.remaining, COUNT(t.id) FROM gate g "
        "JOIN workflow w ON w.id = g.workflow_id AND w.bound_at IS NOT NULL "
        "LEFT JOIN gate_member m ON m.gate_id = g.id "
        "LEFT JOIN task t ON t.id = m.task_id AND (t.status <> 'D' "
        "  OR EXISTS (SELECT 1 FROM completion c WHERE c.task_id = t.id)) "
        "GROUP BY g.id, g.state, g.remaining "
        "HAVING g.remaining <> COUNT(t.id) OR (g.remaining = 0) <> (g.state <> 'S')",
    )
    _none(
        connection,
        "I9: tasks that stay behind a gate that is passed, or went through one that is shut (task, gate)",
        "SELECT t.id, g.id FROM task t JOIN gate g ON g.id = t.gate_id "
        "WHERE (t.status = 'G' AND (g.state = 'P' OR t.id <= g.passed_upto)) "
        "OR (t.status <> 'G' AND g.state = 'S')",
    )


def _owners(connection: Connection) -> None:
    _none(
        connection,
        "I9: attempts without a deadline (id, deadline)",
        "SELECT id, deadline_at FROM task_instance WHERE deadline_at IS NULL OR deadline_at <= 0",
    )
    _none(
        connection,
        "I9: attempts that wait to be launched in a batch that nobody launches (id, status, batch status)",
        "SELECT i.id, i.status, b.status FROM task_instance i JOIN batch b ON b.id = i.batch_id "
        "WHERE (i.status = 'I' AND b.status <> 'I') OR (i.status = 'O' AND b.status <> 'O') "
        "OR i.id NOT BETWEEN b.first_instance_id AND b.first_instance_id + b.size - 1",
    )
    _none(
        connection,
        "I9: failed tasks that neither wait for the engine nor for their time (id)",
        "SELECT t.id FROM task t WHERE t.status = 'E' AND t.due_at IS NULL "
        "AND NOT EXISTS (SELECT 1 FROM completion c WHERE c.task_id = t.id)",
    )
    _none(
        connection,
        "I9: tasks that wait for resources which nobody computes (id)",
        "SELECT id FROM task WHERE status = 'A' AND NOT deferred",
    )


def _runs(connection: Connection) -> None:
    live = _rows(
        connection,
        "SELECT r.id, r.workflow_id, r.deadline_at, w.current_run_id FROM workflow_run r "
        "JOIN workflow w ON w.id = r.workflow_id WHERE r.status IN ('G', 'B', 'I', 'O', 'R', 'C', 'H')",
    )
    assert len({row.workflow_id for row in live}) == len(live), f"F65: several live runs of a workflow: {live}"
    for row in live:
        assert row.deadline_at and row.deadline_at > 0, f"I9: live run {row.id} has no deadline"
        assert row.current_run_id == row.id, f"I9: live run {row.id} is not its workflow's ({row.current_run_id})"
    current = (
        "SELECT w.id, w.status, r.status run_status FROM workflow w JOIN workflow_run r ON r.id = w.current_run_id"
    )
    for row in _rows(connection, current):
        agree = row.status in WORKFLOW_OF_RUN.get(row.run_status, "")
        assert agree, f"I3: workflow {row.id} is in {row.status} while its run is in {row.run_status}"
    _none(
        connection,
        "I9: workflows that are over while attempts of theirs are not (workflow, status, attempt, status)",
        "SELECT w.id, w.status, i.id, i.status FROM workflow w JOIN task_instance i ON i.workflow_id = w.id "
        f"WHERE w.status IN ('D', 'F') AND i.status NOT IN ('{OVER}')",
    )
    _none(
        connection,
        "I10: workflows that are done while tasks of theirs are not, or the other way round (id, status, undone)",
        "SELECT w.id, w.status, COUNT(t.id) FROM workflow w "
        "LEFT JOIN task t ON t.workflow_id = w.id AND t.status <> 'D' WHERE w.status IN ('D', 'F') "
        "GROUP BY w.id, w.status HAVING (w.status = 'D') <> (COUNT(t.id) = 0)",
    )


def _counters(connection: Connection) -> None:
    said = {row.id: row for row in _rows(connection, "SELECT * FROM task_array")}
    for workflow_id in {row.workflow_id for row in said.values()}:
        for array_id, row in counted(connection, workflow_id).items():
            kept = {name: getattr(said[array_id], name) for name in row}
            assert kept == row, f"I11: counters of array {array_id} are {kept}; counting gives {row}"
    totals = _rows(connection, "SELECT array_id, COUNT(*) n FROM task GROUP BY array_id")
    for array_id, n in totals:
        assert said[array_id].total == n, f"I11: array {array_id} has {n} tasks, not {said[array_id].total}"


def _causes(connection: Connection) -> None:
    _none(
        connection,
        "I13: tasks that failed for good and do not say why (id)",
        "SELECT t.id FROM task t WHERE t.status = 'F' "
        "AND NOT EXISTS (SELECT 1 FROM error_log e WHERE e.task_id = t.id AND e.description <> '') "
        "AND NOT EXISTS (SELECT 1 FROM audit a WHERE a.kind = 'T' AND a.entity_id = t.id "
        "                AND a.new = 'F' AND a.why <> '')",
    )


def _chain(connection: Connection, audit: Sequence[Any]) -> None:
    present: dict[str, dict[int, str]] = {letter: {} for letter in KINDS}
    for kind, id, _, old, new, _ in audit:
        before = present[kind].get(id, BEGIN[kind])
        assert before == old, f"I3: {KINDS[kind]} {id} was in {before} and went from {old} to {new}"
        assert (kind, old, new) in LEGAL, f"I3: {KINDS[kind]} {id} went from {old} to {new}, which is not legal"
        assert old != "D", f"I4: {KINDS[kind]} {id} left D for {new}"
        present[kind][id] = new
    for letter, table in KINDS.items():
        for id, status in _rows(connection, f"SELECT id, status FROM {table}"):
            last = present[letter].get(id, BEGIN[letter])
            assert status == last, f"I3: {table} {id} is in {status}; by the audit it went to {last}"


def _order(connection: Connection, audit: Sequence[Any]) -> None:
    """I7: no attempt of a task was made before all tasks that it waits for were done."""
    done: dict[int, int] = {}
    begun: dict[int, int] = {}
    for place, (kind, id, _, _, new, _) in enumerate(audit):
        if kind == "T" and new == "D":
            done[id] = place
        if kind == "T" and new == "I":
            begun.setdefault(id, place)
    if not begun:
        return
    members: defaultdict[int, list[int]] = defaultdict(list)
    for gate_id, task_id in _rows(connection, "SELECT gate_id, task_id FROM gate_member"):
        members[gate_id].append(task_id)
    ready = {gate_id: max(done.get(id, len(audit)) for id in ids) for gate_id, ids in members.items()}
    for id, gate_id in _rows(connection, "SELECT id, gate_id FROM task"):
        if id in begun:
            assert begun[id] > ready.get(gate_id, -1), f"I7: task {id} began before all of its upstreams were done"


def _limits(connection: Connection, audit: Sequence[Any], limits: Mapping[str, int]) -> None:
    """I6: at no point of the audit more tasks were active than the highest limit allows."""
    arrays = dict(_rows(connection, "SELECT id, name FROM task_array"))
    array_of = dict(_rows(connection, "SELECT id, array_id FROM task"))
    active: Counter[tuple[int, str]] = Counter()
    for kind, id, workflow_id, old, new, _ in audit:
        if kind != "T" or (old in "IOR") == (new in "IOR"):
            continue
        for name in ("", arrays[array_of[id]]):
            active[workflow_id, name] += 1 if new in "IOR" else -1
            most = limits.get(name)
            assert most is None or active[workflow_id, name] <= most, (
                f"I6: {active[workflow_id, name]} tasks of {name or 'the workflow'} active; the limit was {most}"
            )
