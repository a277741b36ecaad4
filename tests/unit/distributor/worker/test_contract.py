"""The worker cannot import jobmon.core; here both are held against each other."""

import json
from typing import Any

import msgspec
import pytest

from jobmon.core import wire
from jobmon.core.constants import ReturnCodes
from jobmon.core.ids import BatchId, TaskId, TaskInstanceId, WorkflowId, WorkflowRunId
from jobmon.core.resources import Resources
from jobmon.core.routes import WORK
from jobmon.core.settings import Settings
from jobmon.distributor.worker import arguments, attempt, main, talk
from jobmon.distributor.worker.answer import Unanswered
from jobmon.distributor.worker.talk import Denial, Grant, Runner, beat, claim, further, report

GRANT = wire.Grant(
    batch_id=BatchId(7), workflow_id=WorkflowId(1), workflow_run_id=WorkflowRunId(2),
    resources=Resources(runtime_seconds=90, options={"shell": "zsh"}), stdout_dir="/o", stderr_dir="/e",
    index=[4, 3], instance_id=[TaskInstanceId(40), TaskInstanceId(30)], task_id=[TaskId(8), TaskId(6)],
    attempt=[1, 2], name=["four", "three"], command=["exit 4", "exit 3"], token=["t4", "t3"],
)  # fmt: skip


class Answers:
    """A link that gives one answer and keeps what was sent."""

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.sent: list[wire.WorkRequest] = []

    def call(self, path: str, payload: dict[str, Any], *_: object) -> Any:
        assert path == WORK.url()
        self.sent.append(msgspec.json.decode(json.dumps(payload), type=wire.WorkRequest))
        return self.answer


def encoded(answer: wire.WorkAnswer, **extra: object) -> Any:
    return {**json.loads(msgspec.json.encode(answer)), **extra}


def test_route_codes_and_defaults_are_those_of_core() -> None:
    defaults = Settings().worker
    given = {name: float(value) for name, value in arguments.DEFAULTS.items() if value.isdecimal()}

    assert WORK.url() == talk.PATH
    assert (main.DONE, main.NEVER_STARTED, main.BAD_COMMAND_LINE, attempt.ENVIRONMENT_FAILURE) == (
        ReturnCodes.OK,
        ReturnCodes.NEVER_STARTED,
        ReturnCodes.WORKER_NODE_CLI_FAILURE,
        ReturnCodes.WORKER_NODE_ENV_FAILURE,
    )
    assert given["start-wait"] == defaults.start_wait_seconds
    assert given["report-retry"] == defaults.report_retry_seconds
    assert given["interrupt-timeout"] == defaults.command_interrupt_timeout_seconds
    assert given["tail-bytes"] == defaults.tail_bytes


def test_a_claim_is_a_strict_request_and_its_grant_is_read_whole() -> None:
    link = Answers(encoded(wire.WorkAnswer(grants=[GRANT], heartbeat_seconds=12)))

    grant = claim(link, Runner("n01"), 7, 3, 1)  # type: ignore[arg-type]

    assert link.sent[0].claims == [wire.Claim(batch_id=BatchId(7), start=3, count=1)]
    assert vars(grant) == {
        "heartbeat_seconds": 12, "workflow_id": 1, "workflow_run_id": 2, "index": 3, "instance_id": 30,
        "task_id": 6, "name": "three", "command": "exit 3", "token": "t3", "stdout_dir": "/o", "stderr_dir": "/e",
        "runtime_seconds": 90, "options": {"shell": "zsh"},
    }  # fmt: skip


def test_an_answer_of_a_newer_server_is_read_too() -> None:
    answer = encoded(wire.WorkAnswer(grants=[GRANT]), colour="blue")
    answer["grants"][0]["colours"] = ["red", "green"]

    grant = claim(Answers(answer), Runner("n01"), 7, 4, 1)  # type: ignore[arg-type]

    assert isinstance(grant, Grant)
    assert grant.command == "exit 4"


@pytest.mark.parametrize(("verdict", "gone"), [("wait", False), ("gone", True), ("something new", False)])
def test_a_denial_is_for_good_only_if_it_says_so(verdict: str, gone: bool) -> None:
    denial = wire.Denial(
        batch_id=BatchId(7),
        index=3,
        instance_id=TaskInstanceId(30),
        verdict=verdict,
        retry_after_seconds=2,
    )

    decision = claim(Answers(encoded(wire.WorkAnswer(denials=[denial]))), Runner("n"), 7, 3, 1)  # type: ignore[arg-type]

    assert isinstance(decision, Denial)
    assert (decision.gone, decision.retry_after_seconds) == (gone, 2)


def test_an_answer_that_says_nothing_of_the_attempt_is_no_grant() -> None:
    decision = claim(Answers(encoded(wire.WorkAnswer(grants=[GRANT]))), Runner("n"), 7, 5, 1)  # type: ignore[arg-type]

    assert isinstance(decision, Denial)
    assert not decision.gone
    assert decision.retry_after_seconds > 0


@pytest.mark.parametrize("missing", ["token", "command", "stdout_dir"])
def test_a_grant_that_cannot_be_read_is_no_grant(missing: str) -> None:
    answer = encoded(wire.WorkAnswer(grants=[GRANT]))
    del answer["grants"][0][missing]

    with pytest.raises(Unanswered, match="cannot read the server's grant"):
        claim(Answers(answer), Runner("n"), 7, 3, 1)  # type: ignore[arg-type]


def test_a_sign_of_life_learns_of_a_stop_and_of_the_next_pause() -> None:
    answer = encoded(wire.WorkAnswer(stop=[TaskInstanceId(29), TaskInstanceId(30)], heartbeat_seconds=3))
    link = Answers(answer)
    runner = Runner("n01")

    mine = beat(link, runner, 30, None)  # type: ignore[arg-type]
    not_mine = beat(link, runner, 31, None)  # type: ignore[arg-type]

    assert (mine, not_mine) == ((True, 3), (False, 3))
    assert [request.alive for request in link.sent] == [[30], [31]]
    assert [request.sequence for request in link.sent] == [1, 2]
    assert {request.runner for request in link.sent} == {runner.id}


def test_each_runner_has_an_id_of_its_own_that_is_a_uuid() -> None:
    from uuid import UUID

    ids = {Runner("n").id for _ in range(100)}

    assert len(ids) == 100
    assert {UUID(id).version for id in ids} == {4}
    assert {str(UUID(id)) for id in ids} == ids


def test_a_report_that_asks_for_more_is_a_strict_request_and_is_answered_with_an_attempt() -> None:
    link = Answers(encoded(wire.WorkAnswer(grants=[GRANT], heartbeat_seconds=12)))
    request = Runner("n01").request(outcomes=[], claims=[further(7, 3)])

    grant = report(link, request, 1, None)  # type: ignore[arg-type]

    assert link.sent[0].claims == [wire.Claim(batch_id=BatchId(7), start=3, further=True)]
    assert grant is not None
    assert (grant.index, grant.instance_id, grant.command, grant.heartbeat_seconds) == (4, 40, "exit 4", 12)


@pytest.mark.parametrize("missing", ["token", "command", "stdout_dir"])
def test_a_further_attempt_that_cannot_be_read_is_not_started_and_the_outcome_stays_told(missing: str) -> None:
    answer = encoded(wire.WorkAnswer(grants=[GRANT]))
    del answer["grants"][0][missing]

    assert report(Answers(answer), {"runner": "r", "node": "n", "sequence": 1}, 1, None) is None  # type: ignore
