"""Long polls: woken by news, by the end of the process, and not all threads asleep at once."""

import threading
from types import SimpleNamespace

import pytest

from fakes.clock import Clock
from jobmon.server import signals as module
from jobmon.server.signals import LOOK_SECONDS, POLL_SECONDS_MAX, Signals


def test_news_wake_only_who_waits_for_it() -> None:
    signals = Signals()
    seen = signals.count(1)
    woken = threading.Event()

    def sleep() -> None:
        while signals.count(1) == seen:
            signals.wait(1, seen, 60)
        woken.set()

    thread = threading.Thread(target=sleep)
    thread.start()
    signals.tell([2])
    assert not woken.wait(0.05)
    signals.tell([1])

    assert woken.wait(90)
    thread.join()


def test_a_poll_may_last_a_minute_and_while_others_sleep_on_all_seats_a_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock))
    signals = Signals(seats=1)

    with signals.poll(5) as first, signals.poll(5) as second, signals.poll(0.1) as short:
        pass
    with signals.poll(1e9) as longest:
        pass

    assert [first, second, short, longest] == [
        clock() + seconds for seconds in (5, LOOK_SECONDS, 0.1, POLL_SECONDS_MAX)
    ]


@pytest.mark.promise("F07")
def test_when_the_process_ends_nobody_sleeps_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 1000.0)
    signals = Signals()
    threads = [threading.Thread(target=signals.wait, args=(1, 0, 1000), daemon=True) for _ in range(6)]
    for thread in threads[:5]:
        thread.start()
    signals.end()
    threads[5].start()
    for thread in threads:
        thread.join(90)

    assert not [thread for thread in threads if thread.is_alive()]


def test_no_news_ends_a_pause_and_the_end_of_the_process_does() -> None:
    signals = Signals()
    paused: list[bool] = []
    sleeper = threading.Thread(target=lambda: paused.append(signals.pause(100)))
    sleeper.start()
    signals.tell([1])
    went_on = sleeper.is_alive()
    signals.end()
    sleeper.join(90)

    assert (went_on, paused) == (True, [False])
    assert signals.pause(0) is False
