"""Runs that nobody drives any more."""

import pytest
import sqlalchemy as sa

from jobmon.server.downtime import forgive
from jobmon.server.reaper import GRACE_SECONDS, is_driven, reap
from jobmon.server.store.runs import LEASE_SECONDS
from jobmon.server.tables import task_instance, workflow, workflow_run


def status_of(world, table):
    return world.database.read(lambda c: c.execute(sa.select(table.c.status)).scalars().all())


def round_at(world, at):
    """What a server that is alone does in its round; whether it is needed."""
    world.database.write(lambda c: forgive(c, at))
    world.database.write(lambda c: reap(c, at))
    return world.database.read(lambda c: is_driven(c, at))


@pytest.mark.promise("F63")
def test_a_run_whose_distributor_is_silent_beyond_its_lease_ends_and_its_attempts_are_left_alone(make_world):
    world = make_world()
    before = status_of(world, task_instance)
    at = world.at + LEASE_SECONDS + GRACE_SECONDS + 1
    for step in (0, 20, 40, 60, 80, 100):  # a server that is up all the time
        round_at(world, world.at + step)
    busy = round_at(world, at)

    assert not busy
    assert status_of(world, workflow_run) == ["E"]
    assert status_of(world, workflow) == ["H"]
    assert status_of(world, task_instance) == before


@pytest.mark.promise("F05", "F38")
def test_time_without_a_server_is_not_held_against_a_run(make_world):
    world = make_world()
    round_at(world, world.at)
    busy = round_at(world, world.at + 3600)

    assert busy
    assert status_of(world, workflow_run) == ["I"]
