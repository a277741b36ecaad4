"""Handing over what workers left on the disk."""

from collections.abc import Callable
from pathlib import Path

import pytest

from jobmon.core.exceptions import (
    Forbidden,
    InvalidRequest,
    ServerError,
    ServerUnreachable,
    StorageFull,
    Superseded,
    Unauthorized,
    VersionMismatch,
)
from jobmon.core.wire import WorkAnswer, WorkRequest
from jobmon.distributor.spool import replay
from jobmon.distributor.worker.spool import write_spool

Leave = Callable[..., Path]


@pytest.fixture
def leave(tmp_path: Path) -> Leave:
    """An outcome as a worker leaves it."""

    def write(instance_id: int, status: str = "D") -> Path:
        outcome = {"instance_id": instance_id, "token": "t", "status": status}
        body = {"runner": f"r-{instance_id}", "node": "n1", "sequence": 2, "outcomes": [outcome]}
        return Path(write_spool(str(tmp_path), body))

    return write


class Server:
    """Takes what it is told, unless an error stands for an attempt."""

    def __init__(self, errors: dict[int, Exception] | None = None) -> None:
        self.errors = errors or {}
        self.heard: list[tuple[int, str]] = []

    def __call__(self, request: WorkRequest) -> WorkAnswer:
        [outcome] = request.outcomes
        if outcome.instance_id in self.errors:
            raise self.errors[outcome.instance_id]
        self.heard.append((outcome.instance_id, outcome.status))
        return WorkAnswer()


@pytest.mark.promise("F06")
def test_what_the_server_takes_is_told_once_and_removed(tmp_path: Path, leave: Leave) -> None:
    leave(5)
    leave(6, "T")
    server = Server()

    assert replay(tmp_path, server) == {5, 6}
    assert server.heard == [(5, "D"), (6, "T")]
    assert list(tmp_path.iterdir()) == []
    assert replay(tmp_path, server) == set()


@pytest.mark.promise("F06 F21")
@pytest.mark.parametrize(
    "error", [ServerUnreachable("away"), StorageFull("full"), Unauthorized("old token"), VersionMismatch("old")]
)
def test_what_the_server_cannot_take_now_stays_for_the_next_time(
    tmp_path: Path, leave: Leave, error: Exception
) -> None:
    """And nobody asks the cluster about it: a job that has left the queue would look as if it had left no word."""
    files, asked = {leave(5), leave(6)}, []

    def not_now(request: WorkRequest) -> WorkAnswer:
        asked.append(request)
        raise error

    assert replay(tmp_path, not_now) == {5, 6}
    assert len(asked) == 1  # each further question might take as long as this one
    assert set(tmp_path.iterdir()) == files
    assert replay(tmp_path, server := Server()) == {5, 6}
    assert server.heard == [(5, "D"), (6, "D")]


@pytest.mark.promise("F06")
@pytest.mark.parametrize("error", [Forbidden("not granted"), InvalidRequest("nonsense"), Superseded("over")])
def test_what_the_server_refuses_is_set_aside_and_the_others_are_told(
    tmp_path: Path, leave: Leave, error: Exception
) -> None:
    refused, other = leave(5), leave(6)
    (tmp_path / "outcome-4-r.json").write_text('{"runner": "r')
    server = Server({5: error})

    assert replay(tmp_path, server) == {6}
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "outcome-4-r.json.refused",
        f"{refused.name}.refused",
    ]
    assert not other.exists()


@pytest.mark.promise("F06")
def test_an_outcome_on_which_the_server_fails_is_no_word_and_the_others_are_told(
    tmp_path: Path, leave: Leave
) -> None:
    poison, other = leave(5), leave(6)

    assert replay(tmp_path, Server({5: ServerError("its log says why")})) == {6}
    assert poison.exists() and not other.exists()


def test_unfinished_and_foreign_files_are_left_out(tmp_path: Path, leave: Leave) -> None:
    leave(5)
    (tmp_path / ".outcome-6-r.json.unfinished").write_text('{"runner"')
    (tmp_path / "command-5-r").write_text("exit 0")

    assert replay(tmp_path, Server()) == {5}
    assert sorted(file.name for file in tmp_path.iterdir()) == [".outcome-6-r.json.unfinished", "command-5-r"]


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert replay(tmp_path / "none", Server()) == set()
