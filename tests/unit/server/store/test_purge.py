"""What is removed, what is not, and that it may be cut off anywhere."""

import pytest
import sqlalchemy as sa

from fakes.stored_workflow import StoredWorkflow
from faults.world import Node, World
from jobmon.server import purge, tables
from jobmon.server.db import Database
from jobmon.server.store import purge as store

LATER = 10_000.0
STAYS = {"tool", "tool_version", "template_version", "cluster", "queue", "server_state", "role_lease", "id_block"}


@pytest.fixture
def finished(database: Database) -> World:
    """A workflow of two templates that failed once, was resumed, and is done."""
    nodes = [Node(), Node(upstreams=(0,)), Node(array=1, upstreams=(0, 1)), Node(array=1, deferred=True)]
    world = World(database, nodes, [100, 100])
    world.start_run(resume=False)
    world.drain()
    return world


def counts(database: Database) -> dict[str, int]:
    def count(connection: sa.Connection) -> dict[str, int]:
        query = sa.select(sa.func.count())
        return {name: connection.execute(query.select_from(t)).scalar_one() for name, t in all_tables().items()}

    return database.read(count)


def all_tables() -> dict[str, sa.Table]:
    return dict(tables.metadata.tables)


def candidates(world: World, moment: float) -> list[int]:
    return [row.id for row in world.database.read(lambda c: store.ended_before(c, moment))]


@pytest.mark.promise("F78")
def test_a_workflow_goes_with_everything_that_belongs_to_it(finished, monkeypatch):
    monkeypatch.setattr(store, "PORTION", 3)  # many portions
    told = []
    removed = purge.purge(finished.database, -1e12, told.append)

    left = {name: n for name, n in counts(finished.database).items() if n and name not in STAYS}
    assert left == {}
    assert removed > 20
    assert [row.id for row in told] == [finished.workflow_id]
    assert purge.describe(told[0]).startswith(f"workflow {finished.workflow_id} 'w' of ann, 4 tasks, ended 1970-")
    assert finished.database.read(store.tickets) == []


@pytest.mark.promise("F78")
def test_what_ended_lately_stays(finished):
    assert candidates(finished, finished.at - LATER) == []
    assert candidates(finished, finished.at + LATER + 24 * 3600) == [finished.workflow_id]


@pytest.mark.promise("F78")
def test_what_is_live_is_never_taken_however_old(make_world):
    """Not a workflow with a run, nor one that was halted and whose attempts still run."""
    running = make_world((Node(), Node()))

    assert candidates(running, 1e12) == []
    one = running.distributors[0]
    for batch in list(one.hand.values()):
        running.submit(one, batch)
    running.start_process(running.waiting_slots()[0])
    running.claim(running.runners[0])
    running.pass_time(400)  # its distributor is lost: the run ends, the attempt may go on
    assert running.column("SELECT status FROM workflow") == ["H"]
    assert candidates(running, 1e12) == []


@pytest.mark.promise("F78")
def test_a_workflow_that_was_taken_up_after_it_was_listed_stays(make_world):
    world = make_world((Node(),))
    world.pass_time(400)
    listed = world.column("SELECT id FROM workflow")
    world.start_run(resume=True)
    before = counts(world.database)

    assert world.database.write(lambda c: store.begin(c, listed[0], 1e12)) is None
    assert counts(world.database) == before


@pytest.mark.promise("F78")
def test_a_purge_that_was_cut_off_anywhere_goes_on(finished, monkeypatch):
    monkeypatch.setattr(store, "PORTION", 2)
    database = finished.database
    ticket = database.write(lambda c: store.begin(c, finished.workflow_id, 1e12))
    for _ in range(4):
        database.write(lambda c: store.remove(c, ticket))

    assert candidates(finished, 1e12) == []  # out of sight at once
    assert purge.finish(database) > 0
    assert {name: n for name, n in counts(database).items() if n and name not in STAYS} == {}


def test_a_neighbour_keeps_all_it_has(finished):
    before = counts(finished.database)
    finished.database.write(neighbour)
    with_it = counts(finished.database)
    purge.purge(finished.database, -1e12, lambda _: None)

    own = {name: with_it[name] - before[name] for name in before if name not in STAYS}
    assert {name: n for name, n in counts(finished.database).items() if name not in STAYS} == own


def neighbour(connection: sa.Connection) -> None:
    """A workflow with something in every table, which is not over."""
    stored = StoredWorkflow(connection)
    task = stored.task(stored.array("fit"), "D")
    stored.task(stored.array("merge"), "G", gate=stored.gate(1, (task,)))
    stored.attempt(task, "E", error="no", result={"exit_code": 1})
    stored.attempt(task, "R")
