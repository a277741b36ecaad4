"""What belongs to somebody: who sees it, who changes it, and what the refusal says."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from fakes.site import COMMAND_CANARY, Lab
from jobmon.core import routes
from jobmon.server.db import Database
from jobmon.server.store.work import Rules
from jobmon.server.tables import task_instance, workflow, workflow_run
from jobmon.server.tokens import attempt_token

MakeLab = Callable[[str], Lab]
BIND: dict[str, Any] = {
    "request_id": "b1", "tool_name": "tool", "name": "w", "args": "a", "args_hash": "h", "description": "",
    "owner": "ann", "attributes": {}, "run_dir": "/r", "templates": [], "arrays": [], "resources": [],
    "task_count": 1, "gate_count": 1, "identity_hash": "i", "order_hash": "o", "spec_hash": "s",
}  # fmt: skip


def test_a_refusal_names_the_owner(lab: Lab) -> None:
    for name in (
        "START_RUN",
        "END",
        "LIMIT",
        "CHUNK",
        "DEFERRED",
        "LEASE",
        "ADVANCE",
        "PASSES",
        "WATCH",
        "ERRORS",
    ):
        route = getattr(routes, name)
        ids = {"run_id": lab.run_id} if "run_id" in route.path else {"workflow_id": lab.workflow_id}

        reply = lab.ask("eve", route, {}, **ids)
        assert (name, reply.status_code) == (name, 403)
        assert "belongs to ann, and eve may not" in reply.json["message"]


def test_a_stranger_sees_that_there_is_work_and_not_what_it_is(lab: Lab) -> None:
    replies = [
        lab.ask("eve", routes.WORKFLOWS),
        lab.ask("eve", routes.TASKS, workflow_id=lab.workflow_id),
        lab.ask("eve", routes.TASK_DETAILS, query=f"?task_id={lab.task_id}"),
        lab.ask("eve", routes.ERRORS, workflow_id=lab.workflow_id),
        lab.ask("eve", routes.WATCH, {}, run_id=lab.run_id),
        lab.ask("eve", routes.USAGE, query="?template_version_key=fit-key"),
    ]

    assert [reply.status_code for reply in replies] == [200, 200, 403, 403, 403, 200]
    assert replies[0].json["workflows"][0]["owner"] == "ann"
    assert [task["status"] for task in replies[1].json["tasks"]] == ["D", "F"]
    assert replies[5].json["node_args"] == []
    assert not [reply for reply in replies if COMMAND_CANARY in reply.text]


@pytest.mark.parametrize(
    "visibility, seers",
    [("all", "ann bob eve olga adam"), ("group", "ann bob olga adam"), ("own", "ann olga adam")],
)
def test_the_site_decides_who_reads_commands_and_errors(make_lab: MakeLab, visibility: str, seers: str) -> None:
    lab = make_lab(visibility)
    for name in ("ann", "bob", "eve", "olga", "adam"):
        command = lab.ask(name, routes.TASK_DETAILS, query=f"?task_id={lab.task_id}").text
        error = lab.ask(name, routes.TASKS, workflow_id=lab.workflow_id).text
        usage = lab.ask(name, routes.USAGE, query="?template_version_key=fit-key").json

        seen = [COMMAND_CANARY in command, COMMAND_CANARY in error, usage["node_args"] != []]
        assert seen == [name in seers.split()] * 3, name


def test_one_task_of_somebody_else_among_own_ones_refuses_all(lab: Lab) -> None:
    reply = lab.ask("eve", routes.TASK_DETAILS, query=f"?task_id={lab.task_id}&task_id={lab.done_id}")

    assert reply.status_code == 403
    assert f"task {lab.task_id} belongs to ann" in reply.json["message"]


@pytest.mark.parametrize("route, ids", [(routes.TASKS, {"workflow_id": 99}), (routes.WATCH, {"run_id": 99})])
def test_what_does_not_exist_is_not_found(lab: Lab, route: Any, ids: dict[str, int]) -> None:
    assert lab.ask("eve", route, {}, **ids).status_code == 404
    assert lab.ask("eve", routes.TASK_DETAILS, query="?task_id=99").status_code == 404


def test_a_workflow_belongs_to_who_binds_it_whatever_the_request_says(lab: Lab) -> None:
    reply = lab.ask("eve", routes.BIND, BIND)

    with lab.database.engine.connect() as connection:
        owners = connection.execute(sa.select(workflow.c.owner).order_by(workflow.c.id)).scalars().all()
    assert reply.status_code == 200
    assert owners == ["ann", "eve"]


def test_a_run_is_of_who_starts_it_whatever_the_request_says(lab: Lab) -> None:
    body = {"request_id": "s", "user": "root", "host": "h", "pid": 1, "version": "4", "resume": True}
    with lab.database.engine.begin() as connection:
        connection.execute(sa.update(workflow).values(bound_at=1.0))

    reply = lab.ask("ann", routes.START_RUN, body, workflow_id=lab.workflow_id)

    with lab.database.engine.connect() as connection:
        newest = sa.select(workflow_run.c.user).order_by(workflow_run.c.id.desc()).limit(1)
        user = connection.execute(newest).scalar_one()
    assert (reply.status_code, user) == (200, "ann")


@pytest.mark.parametrize("changes", [{}, {"request_id": "b2", "resume": True}, {"identity_hash": "other"}])
def test_the_same_workflow_cannot_be_bound_by_a_second_user(lab: Lab, changes: dict[str, Any]) -> None:
    """Half bound it would even be thrown away."""
    first = lab.ask("ann", routes.BIND, BIND)

    second = lab.ask("eve", routes.BIND, BIND | changes)

    assert (first.status_code, second.status_code) == (200, 403)
    assert "belongs to ann" in second.json["message"]
    assert lab.ask("ann", routes.BIND, BIND).json == first.json


def test_somebody_elses_commands_cannot_be_claimed(lab: Lab) -> None:
    body = {"runner": "r", "node": "n", "sequence": 1, "claims": [{"batch_id": lab.batch_id, "start": 0}]}

    for who in ("eve", "eve's work", "eve's drive", "bob", "olga", "adam"):
        reply = lab.ask(who, routes.WORK, body)

        assert reply.status_code == 403
        assert f"workflow {lab.workflow_id} belongs to ann" in reply.json["message"]
        assert COMMAND_CANARY not in reply.text


def test_somebody_elses_attempt_cannot_be_reported(lab: Lab) -> None:
    outcome = {"instance_id": lab.instance_id, "token": "guessed", "status": "D"}

    reply = lab.ask("eve's work", routes.WORK, {"runner": "r", "node": "n", "sequence": 1, "outcomes": [outcome]})

    assert reply.status_code == 403
    assert f"attempt {lab.instance_id} belongs to ann" in reply.json["message"]


def test_the_token_of_an_attempt_is_of_no_use_after_its_end(lab: Lab, database: Database) -> None:
    rules: Rules = lab.service.rules
    token = attempt_token(rules.secret, lab.instance_id, "r1")
    with database.engine.begin() as connection:
        own = task_instance.c.id == lab.instance_id
        connection.execute(sa.update(task_instance).where(own).values(runner="r1"))
    outcome = {"instance_id": lab.instance_id, "token": token, "status": "D"}

    reply = lab.ask("ann's work", routes.WORK, {"runner": "r1", "node": "n", "sequence": 1, "outcomes": [outcome]})

    with database.engine.connect() as connection:
        status = connection.execute(sa.select(task_instance.c.status).where(own)).scalar_one()
    assert (reply.json["late"], status) == (1, "F")
