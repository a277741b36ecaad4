"""What a scrape holds: of what passed through, and of what goes on."""

import os
from pathlib import Path

import pytest
import sqlalchemy as sa
from prometheus_client import values
from prometheus_client.parser import text_string_to_metric_families

from fakes.service import METRICS_TOKEN, OWNER, make_service
from faults.world import Node
from jobmon.core import wire
from jobmon.core.exceptions import ServerBusy
from jobmon.server import metrics
from jobmon.server.db import Database
from jobmon.server.metrics import Metrics
from jobmon.server.serve import make_app
from unit.server.conftest import MakeWorld


def read(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    """name -> values of the labels, in the order of the labels' names -> value."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(value for _, value in sorted(sample.labels.items()))] = (
                sample.value
            )
    return found


@pytest.mark.parametrize("header", [OWNER, {"Authorization": f"Bearer {METRICS_TOKEN}"}])
def test_the_servers_token_and_that_for_metrics_open_it(database: Database, header: dict[str, str]) -> None:
    client = make_app(make_service(database)).test_client()

    reply = client.get("/metrics", headers=header)

    assert reply.status_code == 200
    assert reply.mimetype == "text/plain"
    assert "jobmon_tasks" in read(reply.text)


@pytest.mark.parametrize("token", ["", "x"])
def test_nothing_else_does_and_the_token_for_metrics_opens_nothing_else(database: Database, token: str) -> None:
    client = make_app(make_service(database, metrics_token=token and METRICS_TOKEN)).test_client()

    for wrong in ("Bearer ", "Bearer x", "", f"Basic {METRICS_TOKEN}"):
        assert client.get("/metrics", headers={"Authorization": wrong}).status_code == 401
    for path in ("workflows", "clusters"):
        reply = client.get(f"/api/v1/{path}", headers={"Authorization": f"Bearer {METRICS_TOKEN}"})
        assert reply.status_code in (401, 403)


def test_requests_are_counted_by_route_and_status_whatever_the_ids_are(database: Database) -> None:
    service = make_service(database)
    client = make_app(service).test_client()
    for number in range(5):
        client.get(f"/api/v1/workflow/{number}/tasks", headers=OWNER)
        client.get(f"/nowhere/{number}")

    assert read(service.metrics.text())["jobmon_requests_total"] == {
        ("GET", "/workflow/{workflow_id}/tasks", "404"): 5,
        ("any", "unknown", "404"): 5,
    }


def test_reports_submissions_and_steps_are_counted_as_they_are_told(database: Database) -> None:
    counted = Metrics(database)
    ends = [wire.Outcome(instance_id=i, token="t", status=status) for i, status in enumerate("DDE")]
    counted.worked(wire.WorkRequest(runner="r", node="n", sequence=1, outcomes=ends), wire.WorkAnswer(late=1))
    spooled = wire.WorkRequest(runner="r", node="n", sequence=1, outcomes=ends[:1], spooled=True)
    counted.worked(spooled, wire.WorkAnswer())
    told = wire.AdvanceRequest(
        fence=1,
        launched=[wire.Launched(batch_id=1, job_id="1"), wire.Launched(batch_id=2, job_id="2")],
        refused=[wire.Refused(batch_id=3, failure_class="policy", message="no")],
        observed=[
            wire.Observed(instance_id=1, state="pending"),
            wire.Observed(instance_id=2, state="over", status="Z"),
            wire.Observed(instance_id=3, state="gone", status="<script>"),
        ],
    )
    counted.advanced(told, 0.003)

    found = read(counted.text())
    assert found["jobmon_reports_total"] == {
        ("D", "worker"): 3,
        ("E", "worker"): 1,
        ("Z", "cluster"): 1,
        ("other", "cluster"): 1,
    }
    assert found["jobmon_reports_late_total"][()] == found["jobmon_spool_imports_total"][()] == 1
    assert found["jobmon_submissions_total"] == {("taken",): 2, ("refused",): 1}
    assert found["jobmon_advance_seconds_count"][()] == 1
    assert found["jobmon_advance_seconds_bucket"][("0.0025",)] == 0
    assert found["jobmon_advance_seconds_bucket"][("0.005",)] == 1


def test_what_goes_on_is_read_from_counters(make_world: MakeWorld) -> None:
    world = make_world([Node(), Node(), Node(frozenset({0}))], limit=1)
    text = Metrics(world.database).text()

    found = read(text)
    assert found["jobmon_tasks"] == {
        ("waiting",): 1,
        ("queued",): 1,
        ("delayed",): 0,
        ("active",): 1,
        ("done",): 0,
        ("fatal",): 0,
    }
    assert sum(found["jobmon_runs"].values()) == 1
    assert found["jobmon_runs_held_up"][()] == 0
    assert found["jobmon_unknown_submits"][()] == 0


def test_batches_of_a_distributor_that_was_replaced_are_unknown_until_somebody_looked(
    make_world: MakeWorld,
) -> None:
    world = make_world()
    world.at += 1000
    world.take_lease()

    assert read(Metrics(world.database).text())["jobmon_unknown_submits"][()] == 1


def test_nobody_looks_for_a_batch_whose_commands_are_over(make_world: MakeWorld) -> None:
    world = make_world()
    distributor = world.distributors[-1]
    batch = next(iter(distributor.hand.values()))
    world.submit(distributor, batch, answered=False)
    runner = world.start_process((batch.batch_id, 0))
    world.claim(runner)
    world.finish(runner, "D")
    world.report(runner)
    world.at += 1000
    world.take_lease()

    assert sum(read(Metrics(world.database).text())["jobmon_runs"].values()) == 1
    assert read(Metrics(world.database).text())["jobmon_unknown_submits"][()] == 0


def test_a_scrape_asks_as_much_whatever_there_is(make_world: MakeWorld) -> None:
    world = make_world([Node()] * 50)
    counted, asked = Metrics(world.database), []
    sa.event.listen(world.database.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    counted.text()

    assert len([sql for sql in asked if sql.startswith("SELECT")]) == 5
    assert not [sql for sql in asked if "FROM task\n" in sql or "FROM task " in sql]


def test_failures_of_the_database_are_counted_by_what_they_mean(database: Database) -> None:
    counted = Metrics(database)

    def lock(connection: sa.Connection) -> None:
        connection.exec_driver_sql("SELECT nothing")

    for _ in range(2):
        with pytest.raises(sa.exc.OperationalError):
            database.read(lock)
    other = Database(str(database.engine.url), "OFF")
    other.engine.dispose()
    with database.engine.connect().execution_options(writes=True) as holder, holder.begin():
        quick = sa.create_engine(database.engine.url, connect_args={"timeout": 0.01})
        watched = Metrics(type("Watched", (), {"engine": quick, "read": database.read})())
        with quick.connect() as second, pytest.raises(sa.exc.OperationalError):
            second.exec_driver_sql("CREATE TABLE t (x INT)")
        quick.dispose()

    assert read(counted.text())["jobmon_database_failures_total"] == {("other",): 2}
    assert read(watched.text())["jobmon_database_failures_total"] == {("conflict",): 1}
    assert ServerBusy.http_status == 503
    other.dispose()


def test_processes_of_one_site_count_together(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(metrics.SHARED, "")
    monkeypatch.setattr(values, "ValueClass", values.ValueClass)
    metrics.share(tmp_path / "metrics")
    first = Metrics(database)
    first.answered("GET", "/x", 200)
    monkeypatch.setattr(values, "ValueClass", values.MultiProcessValue(lambda: os.getpid() + 1))
    second = Metrics(database)
    second.answered("GET", "/x", 200)
    second.answered("GET", "/y", 404)

    for one in (first, second):
        assert read(one.text())["jobmon_requests_total"] == {("GET", "/x", "200"): 2, ("GET", "/y", "404"): 1}
    metrics.share(tmp_path / "metrics")
    assert list((tmp_path / "metrics").iterdir()) == []
