"""Decisions while a command runs, on a scripted command."""

import signal
from collections.abc import Sequence
from types import SimpleNamespace

import pytest

from fakes.clock import Clock
from jobmon.distributor.worker import inbox, verdict
from jobmon.distributor.worker import watch as watch_module
from jobmon.distributor.worker.watch import Watch

CLOCK = Clock()


@pytest.fixture(autouse=True)
def time_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "time", SimpleNamespace(monotonic=CLOCK))


class Script:
    """A command that ends by itself or at a deadly signal, and the inbox that goes with it.

    `takes` are the events of each look into the inbox; the command's end stands among them as the wait status
    it has from then on, and a float for seconds that go by. Else time goes by only when nothing is left to take.
    """

    def __init__(self, *takes: Sequence[int] | str | float) -> None:
        self.takes = list(takes)
        self.status: int | None = None
        self.family = 0
        self.sent: list[int] = []
        self.waited: list[float | None] = []

    def take(self, seconds: float | None) -> bytes:
        self.waited.append(seconds)
        if not self.takes:
            CLOCK.sleep(max(0.0, seconds or 0.0))
            return b""
        events = self.takes.pop(0)
        if isinstance(events, str):
            self.status = int(events)
            return bytes([signal.SIGCHLD])
        if isinstance(events, float):
            CLOCK.sleep(events)
            return b""
        return bytes(events)

    def signal(self, number: int) -> None:
        self.sent.append(number)
        if number == signal.SIGKILL:
            self.status, self.family = number, 0

    def collect(self) -> None:
        pass

    def others(self) -> list[int]:
        return [1] * self.family


def watch(
    script: Script, interrupt_timeout_seconds: float = 60, left_seconds: float | None = None
) -> tuple[str, int]:
    """`left_seconds`: to the command's time limit."""
    limit_at = None if left_seconds is None else CLOCK() + left_seconds
    watch = Watch(script, script, interrupt_timeout_seconds, limit_at)  # type: ignore[arg-type]
    exit_code = watch.wait()
    return watch.cause, exit_code


def test_a_command_that_ends_by_itself_is_waited_for_without_a_timeout() -> None:
    script = Script([], [signal.SIGCHLD], "768")

    assert watch(script) == ("", 3)
    assert script.waited == [None, None, None]
    assert script.sent == []


def test_after_a_moment_a_command_is_no_short_one_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "SHORT_SECONDS", 0.0)
    script, told = Script([], [], "0"), []
    watch = Watch(script, script, 60, None, not_short=lambda: told.append(len(script.waited)))  # type: ignore

    assert watch.wait() == 0
    assert told == [1]
    assert script.waited[0] is not None
    assert script.waited[1:] == [None, None]


@pytest.mark.promise("F35")
@pytest.mark.parametrize("status", [signal.SIGTERM.value, (128 + signal.SIGTERM) << 8])
def test_a_signal_that_comes_just_after_the_death_it_explains_is_its_cause(status: int) -> None:
    script = Script(str(status), [signal.SIGCHLD], [signal.SIGCONT], [signal.SIGTERM])

    cause, _ = watch(script)

    assert cause == verdict.CANCELLED


@pytest.mark.promise("F35")
def test_a_signal_that_came_while_this_process_stood_still_is_heard() -> None:
    script = Script(str(signal.SIGTERM.value), 10.0, [signal.SIGTERM])

    assert watch(script) == (verdict.CANCELLED, -signal.SIGTERM)


def test_a_death_by_a_signal_that_nobody_explains_has_no_cause() -> None:
    script = Script(str(signal.SIGTERM.value), [signal.SIGCHLD])

    assert watch(script) == ("", -signal.SIGTERM)


def test_a_signal_after_a_good_end_changes_nothing() -> None:
    script = Script([], "0", [signal.SIGTERM])

    assert watch(script) == ("", 0)
    assert script.sent == []


@pytest.mark.promise("F34")
def test_the_first_cause_stands() -> None:
    script = Script([signal.SIGUSR1], [signal.SIGTERM, inbox.STOP, inbox.STOP], "256")

    assert watch(script) == (verdict.TIME_LIMIT, 1)
    assert script.sent == [signal.SIGTERM, signal.SIGTERM]


@pytest.mark.promise("F34")
def test_at_its_time_limit_a_command_is_told_to_end() -> None:
    script = Script([], [signal.SIGCHLD], "256")

    assert watch(script, left_seconds=0) == (verdict.TIME_LIMIT, 1)
    assert script.sent == [signal.SIGTERM]
    assert script.waited[0] is not None
    assert script.waited[0] <= 0
    assert all(seconds is not None and 0 < seconds <= 60 for seconds in script.waited[1:])


@pytest.mark.promise("F34")
def test_a_command_that_stays_beyond_its_time_limit_is_killed() -> None:
    script = Script()

    assert watch(script, interrupt_timeout_seconds=0.05, left_seconds=0) == (verdict.TIME_LIMIT, -signal.SIGKILL)
    assert script.sent == [signal.SIGTERM, signal.SIGKILL]


@pytest.mark.promise("F34")
def test_until_its_time_limit_a_command_is_left_alone() -> None:
    script = Script([], "0")

    assert watch(script, left_seconds=1000) == ("", 0)
    assert script.sent == []
    assert all(seconds is not None and 900 < seconds <= 1000 for seconds in script.waited)


@pytest.mark.promise("F34")
@pytest.mark.parametrize(
    ("left_seconds", "cause"), [(4, verdict.TIME_LIMIT), (100, verdict.CANCELLED), (None, verdict.CANCELLED)]
)
def test_a_signal_of_the_batch_system_near_the_time_limit_comes_of_it(
    left_seconds: float | None, cause: str
) -> None:
    script = Script([signal.SIGINT], "256")

    assert watch(script, left_seconds=left_seconds) == (cause, 1)
    assert script.sent == [signal.SIGINT]


def test_a_signal_after_a_stop_of_the_server_does_not_change_its_cause() -> None:
    script = Script([inbox.STOP], [signal.SIGTERM], "256")

    assert watch(script) == (verdict.STOPPED, 1)


@pytest.mark.promise("F27")
def test_superseded_wins_over_all_and_kills_at_once() -> None:
    script = Script([inbox.STOP], [inbox.SUPERSEDED])

    assert watch(script) == (verdict.SUPERSEDED, -signal.SIGKILL)
    assert script.sent == [signal.SIGTERM, signal.SIGKILL]


def test_what_was_told_to_end_is_given_its_time_though_the_command_is_over() -> None:
    script = Script([signal.SIGTERM], "0", [signal.SIGCHLD])
    script.family = 1

    assert watch(script, interrupt_timeout_seconds=0.05) == (verdict.CANCELLED, -signal.SIGKILL)
    assert script.sent == [signal.SIGTERM, signal.SIGKILL]
    assert script.takes == []


@pytest.mark.parametrize("number", sorted(inbox.PASSED_ON))
def test_other_signals_are_passed_on(number: signal.Signals) -> None:
    script = Script([number], "0")

    assert watch(script) == ("", 0)
    assert script.sent == [number]
