"""Several clients with the same workflow at once: one runs it, the others are told who does; resume takes over."""

import os
from pathlib import Path

import pytest

import end_to_end
from end_to_end.graphs import holds
from jobmon_conformance.home import Home

WAITING = str(Path(next(iter(end_to_end.__path__))) / "waiting.py")

pytestmark = pytest.mark.promise("F65")


def test_of_several_clients_at_once_one_wins_and_the_others_learn_who(home: Home) -> None:
    scripts = [home.start(WAITING, "--tasks", "30", "--chunk", "3") for _ in range(4)]
    home.wait_for(lambda: sum(script.is_over for script in scripts) == 3, "the end of three scripts")
    losers = [script for script in scripts if script.is_over]
    (winner,) = set(scripts) - set(losers)
    home.wait_for(lambda: home.witness.count() == 2, "two running commands")
    (home.folder / "release").touch()

    assert (winner.end(), winner.out.split()[-1:]) == (0, ["D"]), winner.err
    for script in losers:
        assert script.end() == 3
        assert script.out.startswith("RunInProgress"), script.out + script.err
        assert f"@{os.uname().nodename} (pid {winner.process.pid})" in script.out
    assert home.query("SELECT id, status FROM workflow_run") == [(1, "D")]
    assert set(home.witness.starts().values()) == {1} and len(home.witness.ends()) == 30
    holds(home)


def test_a_resume_takes_the_run_over_and_the_first_client_is_told(home: Home) -> None:
    first = home.start(WAITING)
    home.wait_for(lambda: home.witness.count() == 2, "two running commands")
    running = {line.attempt: line.pid for line in home.witness.lines()}
    second = home.start(WAITING, "--resume", "hot")
    code = first.end()
    (home.folder / "release").touch()

    assert code == 3
    assert first.out.startswith("ResumeSet"), first.out + first.err
    assert (second.end(), second.out.split()[-1:]) == (0, ["D"]), second.err
    ended = {line.attempt: line.pid for line in home.witness.lines() if line.word == "end"}
    assert {attempt: ended[attempt] for attempt in running} == running
    assert home.column("SELECT status FROM workflow_run ORDER BY id") == ["T", "D"]
    holds(home)
    home.leave()  # the executor may wait for more


def test_of_several_resumes_at_once_the_last_one_wins(home: Home) -> None:
    home.start(WAITING)
    home.wait_for(lambda: home.witness.count() == 2, "two running commands")
    home.kill_client()
    scripts = [home.start(WAITING, "--resume", "hot") for _ in range(3)]
    home.wait_for(lambda: sum(script.is_over for script in scripts) == 2, "the end of two scripts")
    (home.folder / "release").touch()

    (winner,) = (script for script in scripts if script.end() == 0)
    assert winner.out.split()[-1:] == ["D"]
    assert all(script is winner or script.out.startswith("ResumeSet") for script in scripts)
    assert home.column("SELECT status FROM workflow_run ORDER BY id") == ["T", "T", "T", "D"]
    assert set(home.witness.starts().values()) == {1}
    holds(home)
    home.leave()  # the executor may wait for more
