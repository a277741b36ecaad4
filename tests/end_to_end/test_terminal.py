"""Ctrl-C, a lost connection and Ctrl-Z in front of a real client in a real terminal: the run outlives them all."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from end_to_end.graphs import holds
from jobmon_conformance.home import Home
from jobmon_conformance.terminal import CTRL_C, Terminal

WAITING = str(Path(__file__).with_name("waiting.py"))
UNREAD = str(Path(__file__).with_name("unread.py"))
QUESTION = "Your choice"

pytestmark = pytest.mark.promise("F66")


@pytest.fixture
def terminal(home: Home) -> Iterator[Callable[[], Terminal]]:
    """Starts the script in a terminal, and waits until two of its commands run."""
    made: list[Terminal] = []

    def start() -> Terminal:
        made.append(Terminal([WAITING], home.environment, home.folder))
        home.wait_for(lambda: made[-1].read() is not None and home.witness.count() == 2, "two running commands")
        made[-1].wait_for("2 running")
        return made[-1]

    yield start
    for terminal in made:
        terminal.close()


def release_and_end(home: Home) -> None:
    (home.folder / "release").touch()
    home.wait_for(lambda: home.run_status() == "D", "the end of the run")
    assert set(home.witness.starts().values()) == {1} and len(home.witness.ends()) == 6
    assert home.column("SELECT id FROM workflow_run") == [1]
    holds(home)


def is_stopped(home: Home) -> None:
    assert home.run_status() == "S"
    assert not {line.pid for line in home.witness.lines()} & home.processes().keys()
    assert set(home.column("SELECT status FROM task_instance")) == {"F"}
    assert "D" not in home.task_counts()
    holds(home)


def test_the_first_ctrl_c_asks_and_a_detached_run_ends_by_itself(home: Home, terminal) -> None:
    screen = terminal()
    screen.press(CTRL_C)
    screen.wait_for(QUESTION)
    screen.press("d\n")

    assert screen.end() == 0
    assert "Detached: workflow 1 goes on" in screen.shown
    assert home.run_status() in "IOR"
    release_and_end(home)


def test_stopping_ends_the_commands_and_the_run(home: Home, terminal) -> None:
    screen = terminal()
    screen.press(CTRL_C)
    screen.wait_for(QUESTION)
    screen.press("s\n")

    assert screen.end() == 0
    assert screen.shown.split()[-2:] == ["1", "S"], screen.shown
    is_stopped(home)


def test_a_second_ctrl_c_stops_too(home: Home, terminal) -> None:
    screen = terminal()
    screen.press(CTRL_C)
    screen.wait_for(QUESTION)
    screen.press(CTRL_C)

    assert screen.end() == 0
    is_stopped(home)


def test_going_on_goes_on(home: Home, terminal) -> None:
    screen = terminal()
    screen.press(CTRL_C)
    screen.wait_for(QUESTION)
    drawn = screen.shown.count("2 running")
    screen.press("g\n")
    screen.wait_for("2 running", drawn + 1)
    screen.press(CTRL_C)
    screen.wait_for(QUESTION, 2)
    screen.press("what?\n")
    screen.wait_for(QUESTION, 3)
    screen.press("g\n")
    release_and_end(home)

    assert screen.end() == 0
    assert screen.shown.split()[-2:] == ["1", "D"]


def test_a_lost_connection_disturbs_nothing(home: Home, terminal) -> None:
    screen = terminal()
    screen.hang_up()
    home.wait_for(lambda: screen.process.poll() is not None, "the end of the script")

    assert home.run_status() in "IOR"
    release_and_end(home)


def ends_unread(home: Home, process: subprocess.Popen[bytes]) -> None:
    """The run ends, and the script goes on with what comes after it."""
    (home.folder / "release").touch()
    home.wait_for(lambda: home.run_status() == "D", "the end of the run")
    home.wait_for(lambda: process.poll() is not None, "the end of the script")

    assert (home.folder / "after").read_text() == "D"
    holds(home)


def test_a_script_that_ignores_the_loss_of_its_terminal_goes_on_after_the_run(home: Home) -> None:
    screen = Terminal([UNREAD], home.environment, home.folder)
    screen.wait_for("19/20 done")
    screen.hang_up()

    ends_unread(home, screen.process)


def test_a_script_goes_on_when_who_read_its_words_is_gone(home: Home) -> None:
    with subprocess.Popen(
        [sys.executable, UNREAD], env=home.environment, cwd=home.folder, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        while b"Workflow 1 unread: run 1, 20 tasks" not in process.stderr.readline():
            assert process.poll() is None
        process.stderr.close()

        ends_unread(home, process)


def test_a_lost_connection_during_the_question_disturbs_nothing(home: Home, terminal) -> None:
    screen = terminal()
    screen.press(CTRL_C)
    screen.wait_for(QUESTION)
    screen.hang_up()
    home.wait_for(lambda: screen.process.poll() is not None, "the end of the script")

    assert home.run_status() in "IOR"
    release_and_end(home)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_client_that_is_told_to_go_leaves_the_run_alone(home: Home, terminal, number: signal.Signals) -> None:
    screen = terminal()
    os.kill(screen.process.pid, number)
    home.wait_for(lambda: screen.process.poll() is not None, "the end of the script")

    assert home.run_status() in "IOR"
    release_and_end(home)


@pytest.mark.promise("F38")
def test_a_suspended_client_sees_the_end_when_it_wakes(home: Home, terminal) -> None:
    screen = terminal()
    os.kill(screen.process.pid, signal.SIGSTOP)
    release_and_end(home)
    os.kill(screen.process.pid, signal.SIGCONT)

    assert screen.end() == 0
    assert screen.shown.split()[-2:] == ["1", "D"]
