"""Resources that the client computes when a task becomes ready."""

import pytest

from faults.world import Node, World
from jobmon.core import wire
from jobmon.core.exceptions import InvalidRequest
from jobmon.core.resources import Resources
from jobmon.server.store import deferred

THREE = (Node(), Node(deferred=True), Node(deferred=True))


def supply(world: World, task_ids: list[int], cores: list[int]) -> None:
    sets = [wire.TaskResources(cluster="toy", requested=Resources(cores=n)) for n in cores]
    request = wire.DeferredResources(task_ids=task_ids, resources=sets)
    world.write(lambda c, at: deferred.supply(c, world.workflow_id, request, at))


def statuses(world: World) -> list[str]:
    return world.column("SELECT status FROM task ORDER BY id")


def test_the_tasks_are_queued_with_what_was_computed_for_each(make_world) -> None:
    world = make_world(THREE)
    assert statuses(world) == ["I", "A", "A"]

    supply(world, [2, 3], [4, 8])
    queued = statuses(world)
    world.advance(world.distributors[0])

    assert queued == ["I", "Q", "Q"]
    assert [batch.resources.cores for batch in world.distributors[0].hand.values()] == [1, 4, 8]


@pytest.mark.promise("F08")
def test_a_repeated_supply_changes_nothing(make_world) -> None:
    world = make_world(THREE)
    supply(world, [2, 3], [4, 4])
    audit = world.column("SELECT COUNT(*) FROM audit")

    supply(world, [2, 3], [4, 4])
    supply(world, [3, 2], [9, 9])

    assert world.column("SELECT COUNT(*) FROM audit") == audit
    assert world.column("SELECT delayed FROM task_array") == [0]
    assert world.column("SELECT resources_id FROM task ORDER BY id") == [1, 2, 2]


def test_tasks_that_do_not_wait_or_are_of_another_workflow_are_left_alone(make_world) -> None:
    world = make_world(THREE)

    supply(world, [1, 2, 77], [4, 4, 4])

    assert statuses(world) == ["I", "Q", "A"]
    assert world.column("SELECT resources_id FROM task ORDER BY id")[0] == 1


def test_columns_of_different_lengths_are_refused(make_world) -> None:
    world = make_world(THREE)

    with pytest.raises(InvalidRequest, match="different lengths"):
        supply(world, [2, 3], [4])


def test_a_deferred_task_waits_for_its_client_beyond_a_stop_and_a_resume(make_world) -> None:
    world = make_world((Node(deferred=True),))
    world.stop_run()
    world.advance(world.distributors[0])
    world.start_run(resume=True)
    world.take_lease()
    world.advance(world.distributors[-1])
    waits = statuses(world)

    supply(world, [1], [2])
    world.drain()

    assert waits == ["A"]
    assert statuses(world) == ["D"]


def test_resources_are_computed_once_and_scaled_after_a_resource_error(make_world) -> None:
    world = make_world((Node(deferred=True),))
    one = world.distributors[0]
    sets = [wire.TaskResources(cluster="toy", requested=Resources(memory_bytes=10), scales={"memory": 0.5})]
    request = wire.DeferredResources(task_ids=[1], resources=sets)
    world.write(lambda c, at: deferred.supply(c, world.workflow_id, request, at))
    world.advance(one)
    world.cooperate(one, finish=False)
    world.finish(world.runners[0], "Z", "resource")
    world.report(world.runners[0])

    world.advance(one)

    assert [batch.resources.memory_bytes for batch in one.hand.values()] == [15]
