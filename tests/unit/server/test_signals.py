"""Long polls: woken by news, by the end of the process, and not all threads asleep at once."""

import threading
import time

import pytest

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

    assert woken.wait(30)
    thread.join()


def test_a_poll_may_last_a_minute_and_while_others_sleep_on_all_seats_a_moment() -> None:
    signals = Signals(seats=1)

    with signals.poll(5) as first, signals.poll(5) as second, signals.poll(0.1) as short:
        now = time.monotonic()
    with signals.poll(1e9) as longest:
        pass

    assert first - now == pytest.approx(5, abs=0.5)
    assert second - now == pytest.approx(LOOK_SECONDS, abs=0.5)
    assert short - now == pytest.approx(0.1, abs=0.1)
    assert longest - now == pytest.approx(POLL_SECONDS_MAX, abs=0.5)


@pytest.mark.promise("F07")
def test_when_the_process_ends_nobody_sleeps_any_more() -> None:
    signals = Signals()
    threads = [threading.Thread(target=signals.wait, args=(1, 0, 60)) for _ in range(5)]
    for thread in threads:
        thread.start()
    signals.end()
    for thread in threads:
        thread.join(30)
    began = time.monotonic()
    signals.wait(1, 0, 60)

    assert not [thread for thread in threads if thread.is_alive()]
    assert time.monotonic() - began < 0.5


def test_no_news_ends_a_pause_and_the_end_of_the_process_does() -> None:
    signals = Signals()
    paused: list[bool] = []
    sleeper = threading.Thread(target=lambda: paused.append(signals.pause(100)))
    sleeper.start()
    signals.tell([1])
    went_on = sleeper.is_alive()
    signals.end()
    sleeper.join(60)

    assert (went_on, paused) == (True, [False])
    assert signals.pause(0) is False
