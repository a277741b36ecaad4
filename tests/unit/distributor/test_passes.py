"""The tokens of a run: asked for, kept where workers read them, renewed, and what happens when that cannot be."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.canned_server import CannedServer
from jobmon.core.defaults import Http
from jobmon.core.exceptions import NotFound, Unauthorized
from jobmon.core.http import Unanswered
from jobmon.core.ids import WorkflowRunId
from jobmon.core.routes import PASSES
from jobmon.core.wire import Passes as Made
from jobmon.distributor import passes as module
from jobmon.distributor.passes import Passes

RUN = WorkflowRunId(7)
FIRST = Made(drive="jmd_drive1", work="jmd_work1", renew_seconds=3600)
SECOND = Made(drive="jmd_drive2", work="jmd_work2", renew_seconds=3600)


@pytest.fixture
def server() -> Iterator[CannedServer]:
    with CannedServer() as server:
        yield server


@pytest.fixture
def http(server: CannedServer, tmp_path: Path) -> Http:
    own = tmp_path / "own"
    own.touch(mode=0o600)
    own.write_text("jmu_own")
    return Http(service_url=f"{server.url}/", token_file=str(own))


@pytest.fixture
def passes(http: Http, tmp_path: Path) -> Passes:
    return Passes(http, RUN, tmp_path / "tokens")


def test_the_run_gets_a_token_of_its_own_and_its_workers_another_one(
    server: CannedServer, passes: Passes, tmp_path: Path
) -> None:
    server.prepare(PASSES, FIRST, run_id=RUN)

    assert passes()[:2] == (server.url, "jmd_drive1")
    file = Path(passes.token_file())
    assert file.read_text() == "jmd_work1"
    assert (stat.S_IMODE(file.stat().st_mode), stat.S_IMODE(file.parent.stat().st_mode)) == (0o600, 0o700)
    assert len(server.asked(PASSES, run_id=RUN)) == 1


def test_a_server_with_one_token_for_everything_leaves_all_as_it_was(
    server: CannedServer, passes: Passes, http: Http
) -> None:
    server.prepare(PASSES, Made(), run_id=RUN)

    assert passes()[:2] == (server.url, "jmu_own")
    assert passes.token_file() == http.token_file


def test_so_does_a_server_that_does_not_know_the_question(server: CannedServer, passes: Passes) -> None:
    server.prepare(PASSES, NotFound("no such route"), run_id=RUN)

    assert passes()[:2] == (server.url, "jmu_own")


def test_tokens_are_renewed_for_all_workers_in_time(server: CannedServer, passes: Passes) -> None:
    server.prepare(PASSES, FIRST, SECOND, run_id=RUN)
    passes()
    passes._until = 0.0

    assert passes().token == "jmd_drive2"
    assert Path(passes.token_file()).read_text() == "jmd_work2"


def test_a_run_whose_token_is_void_goes_on_with_the_users_own(server: CannedServer, passes: Passes) -> None:
    server.prepare(PASSES, FIRST, Unauthorized("expired"), SECOND, run_id=RUN)
    passes()
    passes._until = 0.0

    assert passes().token == "jmd_drive2"


def test_with_both_void_the_user_is_told(server: CannedServer, passes: Passes) -> None:
    server.prepare(PASSES, Unauthorized("`jobmon login` gets one"), run_id=RUN)

    with pytest.raises(Unauthorized, match="jobmon login"):
        passes()


@pytest.mark.promise("F05")
def test_a_server_that_is_away_leaves_the_tokens_that_there_are(
    server: CannedServer, passes: Passes, http: Http, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TRY_SECONDS", 0.01)
    server.prepare(PASSES, FIRST, run_id=RUN)
    passes()
    passes._until = 0.0
    passes._url = "http://127.0.0.1:9"
    never = Passes(Http(service_url="http://127.0.0.1:9", token_file=http.token_file), RUN, tmp_path / "tokens")

    assert passes().token == "jmd_drive1"
    assert never().token == "jmu_own"
    with pytest.raises(Unanswered, match="no token for workers yet"):
        never.token_file()
