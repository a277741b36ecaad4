import io
import os
import pty
from collections.abc import Iterator

import pytest

from jobmon.client.interrupt import ask_user


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The keyboard of a terminal that is standard input."""
    keyboard, screen = pty.openpty()
    with os.fdopen(screen) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield keyboard
    os.close(keyboard)


@pytest.mark.promise("F66")
@pytest.mark.parametrize(
    ("typed", "wish"),
    [("d\n", "detach"), ("stop\n", "stop"), ("G\n", "go on"), ("what?\n\nd\n", "detach"), ("\x04", "detach")],
)
def test_the_user_is_asked_until_the_answer_is_one(terminal: int, typed: str, wish: str) -> None:
    os.write(terminal, typed.encode())

    assert ask_user() == wish


@pytest.mark.promise("F66")
def test_without_a_terminal_the_run_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("d\n"))

    assert ask_user() == "stop"
