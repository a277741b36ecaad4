import pytest

from jobmon.client.progress import FAILURE_LINES, Lines, Rate, clock_text, summary
from jobmon.core.wire import Counts, FailedTask, WatchAnswer


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def watched(done: int, failures: int = 0) -> WatchAnswer:
    counts = Counts(total=100, done=done, running=2, pending=98 - done - failures, fatal=failures)
    return WatchAnswer(
        workflow_run_id=1,
        status="R",
        reason="",
        version="",
        counts=counts,
        arrays=[],
        failures=[
            FailedTask(task_id=n, name=f"t{n}", task_instance_id=None, message="boom", stderr_path="/e")
            for n in range(failures)
        ],
        failures_upto=0,
        notices=["the queue is full"],
        deferred=[],
        distributor_alive=True,
        distributor="",
        elapsed_seconds=0,
    )


def test_the_rate_is_that_of_the_last_half_minute() -> None:
    clock = Clock()
    rate = Rate(clock)
    for second in range(100):
        clock.now = second
        rate.note(second if second < 50 else 50 + 10 * (second - 50))

    assert rate.per_second == pytest.approx(10)
    assert rate.remaining_seconds(50) == pytest.approx(5)


def test_nothing_is_foretold_before_something_is_known() -> None:
    assert summary(Counts(total=5, pending=5), Rate()) == "0/5 done, 0 running, 5 waiting"


def test_times_are_short() -> None:
    assert [clock_text(seconds) for seconds in (9.9, 73, 7500)] == ["0:09", "1:13", "2:05:00"]


def test_without_a_terminal_there_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    lines = Lines(clock)
    lines.started("Workflow 1")
    for second in range(25):
        clock.now = second
        lines.show(watched(second))
    lines.close("end")
    out, err = capsys.readouterr()

    assert out == ""
    assert err.splitlines() == [
        "Workflow 1",
        "  10/100 done, 2 running, 88 waiting, 1.0 tasks/s, about 1:30 left - the queue is full",
        "  20/100 done, 2 running, 78 waiting, 1.0 tasks/s, about 1:20 left - the queue is full",
        "end",
    ]


def test_the_first_failures_are_shown_and_the_rest_counted(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(Clock())
    lines.show(watched(0, failures=FAILURE_LINES + 3))
    lines.close("end")
    printed = capsys.readouterr().err.splitlines()

    assert printed[0] == "  failed: task 0 t0: boom (see /e)"
    assert printed[FAILURE_LINES:] == ["  ... and 3 more failures", "end"]
