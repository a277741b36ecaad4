"""Background roles: one of all server processes acts, and who stood still beyond its lease does not."""

import re

import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

from fakes.service import make_service
from jobmon.server import background, doctor, downtime, tables
from jobmon.server.background import ROUND_SECONDS, Background, Role
from jobmon.server.db import Database
from jobmon.server.metrics import Metrics
from jobmon.server.store import roles
from jobmon.server.store.roles import LEASE_SECONDS, STRANGE_SECONDS

AT = 1_000_000.0
LONG_SECONDS = 1000.0


def hold(database: Database, holder: str, at: float) -> int | None:
    return database.write(lambda c: roles.hold(c, "reaper", holder, at))


def holdings(database: Database) -> list[roles.Holding]:
    return database.read(lambda c: roles.holdings(c, AT))


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases that last, and rounds that come, only when the test wants it."""
    monkeypatch.setattr(roles, "LEASE_SECONDS", LONG_SECONDS)
    monkeypatch.setattr(roles, "STRANGE_SECONDS", 2 * LONG_SECONDS)
    monkeypatch.setattr(background, "ROUND_SECONDS", LONG_SECONDS)
    monkeypatch.setattr(background, "END_SECONDS", 90.0)


class Server:
    """A process as far as its background goes: what it did in its role is written down."""

    def __init__(self, database: Database, name: str, done: list[str]) -> None:
        self.service = make_service(database)._replace(instance=name)
        self.background = Background(self.service, [Role("reaper", lambda connection, at: done.append(name))])

    def end(self) -> None:
        self.service.signals.end()
        self.background.end()


def age_lease(database: Database) -> None:
    """Let the lease be over."""
    over = sa.update(tables.role_lease).values(deadline_at=tables.role_lease.c.deadline_at - LONG_SECONDS)
    database.write(lambda c: c.execute(over))


@pytest.mark.promise("F14")
def test_the_first_one_has_the_role_for_as_long_as_it_comes_back_in_time(database: Database) -> None:
    held = [hold(database, "a", AT), hold(database, "b", AT + 1), hold(database, "a", AT + LEASE_SECONDS - 1)]

    assert held == [1, None, 1]
    assert hold(database, "b", AT + 2 * LEASE_SECONDS - 2) is None


@pytest.mark.promise("F14")
def test_when_the_lease_is_over_another_one_has_it_and_the_epoch_grows(database: Database) -> None:
    hold(database, "a", AT)
    taken = hold(database, "b", AT + LEASE_SECONDS)

    assert taken == 2
    assert hold(database, "a", AT + LEASE_SECONDS + 1) is None


def test_a_lease_that_ran_out_and_that_nobody_took_is_still_its_holders(database: Database) -> None:
    hold(database, "a", AT)

    assert hold(database, "a", AT + 10 * LEASE_SECONDS) == 1


def test_a_role_that_is_left_can_be_taken_at_once(database: Database) -> None:
    hold(database, "a", AT)
    left = database.write(lambda c: roles.leave(c, "a", AT + 1))

    assert left == 1
    assert hold(database, "b", AT + 1) == 2
    assert database.write(lambda c: roles.leave(c, "a", AT + 2)) == 0


@pytest.mark.promise("F37")
def test_a_clock_that_was_put_back_does_not_leave_a_role_with_a_dead_holder(database: Database) -> None:
    hold(database, "dead", AT + 86400)

    assert hold(database, "b", AT + 86400 + LEASE_SECONDS - STRANGE_SECONDS) is None
    assert hold(database, "b", AT) == 2


@pytest.mark.promise("F14")
@pytest.mark.usefixtures("patient")
def test_of_two_servers_one_acts_and_a_holder_that_stood_still_beyond_its_lease_does_nothing(
    database: Database,
) -> None:
    done: list[str] = []
    one, two = Server(database, "one", done), Server(database, "two", done)
    for server in (one, two, one, two):
        server.background.round()
    together = list(done)

    age_lease(database)
    two.background.round()
    one.background.round()

    assert together == ["one", "one"]
    assert done[2:] == ["two"]


@pytest.mark.promise("F14")
@pytest.mark.usefixtures("patient")
def test_a_server_that_ends_leaves_its_role_to_others_at_once(database: Database) -> None:
    done: list[str] = []
    one, two = Server(database, "one", done), Server(database, "two", done)
    one.background.start()
    two.background.round()
    one.end()
    two.background.round()

    assert done == ["one", "two"]


@pytest.mark.usefixtures("patient")
def test_a_round_that_fails_is_followed_by_one_of_the_same_holder(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[str] = []

    def fail_once(connection: sa.Connection, at: float) -> None:
        done.append("try")
        if len(done) == 1:
            raise RuntimeError("a mistake")

    one = Background(make_service(database)._replace(instance="one"), [Role("reaper", fail_once)])
    for _ in range(2):
        one.round()

    assert done == ["try", "try"]
    assert [held.epoch for held in holdings(database)] == [1]
    assert "RuntimeError: a mistake" in caplog.text


@pytest.mark.promise("F05", "F14")
def test_a_change_of_holder_forgives_nothing_while_some_server_is_up(make_world) -> None:
    world = make_world()
    for _ in range(10):  # the one without the role; the holder stands still
        world.at += ROUND_SECONDS * 3
        world.write(downtime.forgive)
        world.advance(world.distributors[0])
    before = world.column("SELECT deadline_at FROM workflow_run")
    world.write(lambda c, at: roles.hold(c, "reaper", "b", at))
    world.write(downtime.forgive)

    assert world.column("SELECT deadline_at FROM workflow_run") == before


@pytest.mark.promise("F05", "F14")
def test_of_several_servers_that_come_back_the_first_one_forgives_and_no_other(make_world) -> None:
    world = make_world()
    world.write(downtime.forgive)
    (before,) = world.column("SELECT deadline_at FROM workflow_run")
    world.at += 5000
    for _ in range(3):
        world.write(downtime.forgive)

    assert world.column("SELECT deadline_at FROM workflow_run") == [before + 5000]


@pytest.mark.usefixtures("patient")
def test_who_has_a_role_is_said_by_metrics_and_doctor(database: Database) -> None:
    one = Server(database, "one", [])
    one.background.round()
    text, said = Metrics(database).text(), list[str]()
    doctor.examine(database, repair=False, say=said.append)
    age_lease(database)
    later = Metrics(database).text()
    doctor.examine(database, repair=False, say=said.append)

    assert [holder_of(text), holder_of(later)] == [("one", 1), ("one", 0)]
    assert 'jobmon_role_epoch{role="reaper"} 1.0' in text
    assert re.match(r"role reaper: server one \(pid .*\) has it, epoch 1, its lease lasts for \d+ s more", said[0])
    assert said[2].startswith("role reaper: no server has it; one (pid ")
    assert said[1] == said[3] == "all is well"


def holder_of(text: str) -> tuple[str, float]:
    (family,) = [one for one in text_string_to_metric_families(text) if one.name == "jobmon_role_holder"]
    (sample,) = family.samples
    return sample.labels["holder"].partition(" ")[0], sample.value
