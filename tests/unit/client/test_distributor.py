"""The distributor as a process, with small programs in its place."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jobmon.client import distributor as module
from jobmon.client.distributor import Distributor
from jobmon.core.exceptions import DistributorNotAlive, DistributorStartupTimeout
from jobmon.core.ids import WorkflowRunId

PATIENCE_SECONDS = 90.0  # only a failure waits so long


def program(text: str) -> list[str]:
    return ["sh", "-c", text]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.01)


def test_it_is_told_its_run_on_its_standard_input(tmp_path: Path) -> None:
    distributor = Distributor(tmp_path, 60, program(f"cat > {tmp_path}/told"))
    distributor.drive(WorkflowRunId(7))
    distributor.finish(PATIENCE_SECONDS)

    assert (tmp_path / "told").read_text() == '{"workflow_run_id": 7}\n'


def test_it_has_a_session_of_its_own(tmp_path: Path) -> None:
    distributor = Distributor(tmp_path, 60, program(f"ps -o sid= -p $$ > {tmp_path}/sid; cat"))
    distributor.drive(WorkflowRunId(7))
    distributor.finish(PATIENCE_SECONDS)

    assert int((tmp_path / "sid").read_text()) != os.getsid(0)


def test_one_that_dies_is_started_again_with_the_same_run(tmp_path: Path) -> None:
    counter = tmp_path / "starts"
    distributor = Distributor(
        tmp_path, 60, program(f"cat >> {counter}; test $(wc -l < {counter}) -gt 1 && sleep 60")
    )
    distributor.drive(WorkflowRunId(7))
    until(lambda: counter.exists() and counter.read_text().count("\n") == 1)
    until(lambda: distributor.check(False, "") is None and counter.read_text().count("\n") == 2)  # type: ignore[func-returns-value]
    distributor._process.kill()
    distributor.release()


def test_one_that_dies_before_it_takes_the_lease_of_the_dead_one_before_it_is_started_again(
    tmp_path: Path,
) -> None:
    starts = tmp_path / "starts"
    distributor = Distributor(tmp_path, 60, program(f"cat >> {starts}"))
    distributor.drive(WorkflowRunId(7))
    holder = distributor.name  # as the server says until that lease is over
    for count in (1, 2, 3):
        until(lambda: distributor._process.poll() is not None)
        assert starts.read_text().count("\n") == count
        distributor.check(True, holder)
    distributor.finish(PATIENCE_SECONDS)

    assert starts.read_text().count("\n") == 4


def test_one_that_dies_again_and_again_is_given_up_with_the_end_of_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(module, "QUICK_SECONDS", 1000.0)
    distributor = Distributor(tmp_path, 60, program("echo no such luck >&2; exit 3"))
    distributor.drive(WorkflowRunId(7))

    with pytest.raises(DistributorNotAlive, match=r"run 7 ended 5 times(.|\n)*exit code 3(.|\n)*no such luck"):
        until(lambda: distributor.check(False, "") is not None)  # type: ignore[func-returns-value]
    distributor.release()


def test_one_that_never_takes_the_lease_is_given_up(tmp_path: Path) -> None:
    distributor = Distributor(tmp_path, 0.01, program("cat; sleep 60"))
    distributor.drive(WorkflowRunId(7))

    with pytest.raises(DistributorStartupTimeout, match="did not take over"):
        until(lambda: distributor.check(False, "") is not None)  # type: ignore[func-returns-value]
    distributor._process.kill()
    distributor.release()


def test_none_is_started_while_another_process_drives_the_run(tmp_path: Path) -> None:
    counter = tmp_path / "starts"
    distributor = Distributor(tmp_path, 60, program(f"cat >> {counter}"))
    distributor.drive(WorkflowRunId(7))
    until(lambda: distributor._process.poll() is not None)
    for _ in range(3):
        distributor.check(True, "elsewhere pid 1")
    distributor.release()

    assert counter.read_text().count("\n") == 1


def test_one_that_was_told_nothing_ends_when_it_is_released(tmp_path: Path) -> None:
    distributor = Distributor(tmp_path, 60, program(f"cat; touch {tmp_path}/ended"))
    distributor.release()

    until((tmp_path / "ended").exists)


def test_the_real_one_is_a_module_of_the_same_python(tmp_path: Path) -> None:
    distributor = Distributor(tmp_path, 60)
    distributor.release()

    assert distributor._command[:3] == [sys.executable, "-m", "jobmon.distributor"]
