"""Larger resources after a resource error: a ladder that all tasks of one set of resources share."""

import msgspec
import pytest
from sqlalchemy.engine import Connection

from jobmon.core.resources import QueueLimits, Resources
from jobmon.server.db import Database, insert_one
from jobmon.server.store.clusters import note_queues
from jobmon.server.store.scaling import Ladder
from jobmon.server.tables import resources

SMALL = QueueLimits(name="small", max_memory_bytes=150, max_runtime_seconds=100)
LARGE = QueueLimits(name="large", max_memory_bytes=300)


def text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def store(connection: Connection, requested: Resources, scales: dict, queues: tuple[str, ...] = ()) -> int:
    row = {
        "workflow_id": 1, "digest": "d", "cluster": "toy", "requested": text(requested), "scales": text(scales),
        "fallback_queues": text(queues), "step": 0,
    }  # fmt: skip
    return insert_one(connection, resources, row)


def requested(connection: Connection, id: int) -> Resources:
    row = connection.execute(resources.select().where(resources.c.id == id)).one()
    return msgspec.json.decode(row.requested, type=Resources)


@pytest.fixture
def connection(database: Database):
    with database.engine.begin() as connection:
        yield connection


def climb(connection: Connection, id: int, steps: int) -> list[Resources]:
    found = []
    for _ in range(steps):
        id = Ladder(connection)(id)
        found.append(requested(connection, id))
    return found


def test_each_step_grows_from_the_first_one_by_the_rule(connection: Connection) -> None:
    id = store(connection, Resources(memory_bytes=100, runtime_seconds=10), {"memory": 0.5, "runtime": 1.0})

    steps = climb(connection, id, 3)

    assert [step.memory_bytes for step in steps] == [150, 225, 338]
    assert [step.runtime_seconds for step in steps] == [20, 40, 80]


def test_drawn_values_are_taken_in_turn_and_the_last_one_again(connection: Connection) -> None:
    id = store(connection, Resources(memory_bytes=100), {"memory": [200, 500]})

    assert [step.memory_bytes for step in climb(connection, id, 3)] == [200, 500, 500]


def test_a_step_is_made_once_and_shared(connection: Connection) -> None:
    id = store(connection, Resources(memory_bytes=100), {"memory": 0.5})
    one, other = Ladder(connection), Ladder(connection)

    assert one(id) == one(id) == other(id)
    assert connection.execute(resources.select()).all()[-1].id == one(id)
    assert len(connection.execute(resources.select()).all()) == 2


def test_what_is_not_asked_for_is_not_scaled(connection: Connection) -> None:
    id = store(connection, Resources(cores=2, options={"project": "p"}), {"memory": 0.5, "cores": 1.0})

    (step,) = climb(connection, id, 1)

    assert step == Resources(cores=4, options={"project": "p"})


def test_the_first_fallback_queue_that_holds_it_is_taken(connection: Connection) -> None:
    note_queues(connection, {"toy": [SMALL, LARGE]})
    id = store(connection, Resources(queue="small", memory_bytes=100), {"memory": 0.6}, ("large",))

    steps = climb(connection, id, 2)

    assert [(step.queue, step.memory_bytes) for step in steps] == [("large", 160), ("large", 256)]


def test_beyond_the_last_queue_it_is_cut_to_what_that_one_gives(connection: Connection) -> None:
    note_queues(connection, {"toy": [SMALL, LARGE]})
    id = store(connection, Resources(queue="small", memory_bytes=100), {"memory": 1.0}, ("large",))

    steps = climb(connection, id, 3)

    assert [(step.queue, step.memory_bytes) for step in steps] == [("large", 200), ("large", 300), ("large", 300)]


def test_without_fallbacks_it_stays_on_its_queue_at_the_most(connection: Connection) -> None:
    note_queues(connection, {"toy": [SMALL, LARGE]})
    id = store(connection, Resources(queue="small", memory_bytes=100), {"memory": 1.0})

    assert climb(connection, id, 1) == [Resources(queue="small", memory_bytes=150)]


def test_without_a_queue_the_first_one_of_the_cluster_limits_it(connection: Connection) -> None:
    note_queues(connection, {"toy": [SMALL, LARGE], "other": [LARGE]})
    id = store(connection, Resources(memory_bytes=100), {"memory": 1.0})

    assert climb(connection, id, 1)[0].memory_bytes == 150


def test_of_an_unknown_cluster_nothing_is_cut(connection: Connection) -> None:
    id = store(connection, Resources(memory_bytes=100), {"memory": 9.0}, ("large",))

    assert climb(connection, id, 1)[0].memory_bytes == 1000


def test_a_resource_error_gives_the_next_attempt_the_next_step(make_world) -> None:
    world = make_world()
    one = world.distributors[0]
    for _ in range(2):
        world.cooperate(one, finish=False)
        runner = world.runners[-1]
        world.finish(runner, "Z", "resource")
        world.report(runner)
        world.advance(one)

    memory = [
        msgspec.json.decode(row)["memory_bytes"]
        for row in world.column("SELECT requested FROM resources ORDER BY id")
    ]
    assert memory == [100, 200, 400]
    assert [batch.resources.memory_bytes for batch in one.hand.values()] == [400]
    assert world.column("SELECT new FROM audit WHERE kind = 'T' ORDER BY id").count("A") == 2
