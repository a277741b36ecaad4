"""Who may enter when many want to: how often one caller may ask, and how much is taken in at a time.

Refusing is cheap and honest: the caller is told when to come back, and ours do. What is never refused is a result:
heartbeats give way to it.
"""

import contextlib
import math
import random
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator

from jobmon.core.exceptions import ServerBusy, TooManyRequests
from jobmon.core.routes import BULK_BYTES, WORK, Route
from jobmon.core.wire import WorkRequest

BURST_SECONDS = 10.0  # so many seconds' worth of requests may come at once
CALLERS_KEPT = 10_000
LATER_SECONDS = (1.0, 3.0)
LATEST_SECONDS = 60.0  # a sign of life may be so late; what it says is good for some minutes
BACK_PER_SECOND = 100.0  # of those sent away so many may come back in a second: half of what a process answers
CROWD_SECONDS = 30.0  # so long somebody who was sent away counts as one who will come back


class Admission:
    """The limits of one server process. A caller is whatever name the request was admitted under."""

    def __init__(
        self,
        requests_per_second: float = 300.0,
        bulk_at_once: int = 8,
        threads: int = 32,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Reports of workers are crowded when three quarters of the `threads` are busy with them."""
        self._rate = requests_per_second
        self._burst = max(1.0, requests_per_second * BURST_SECONDS)
        self._bulk_at_once = bulk_at_once
        self._crowd = max(2, threads * 3 // 4)
        self._clock = clock
        self._lock = threading.Lock()
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()  # requests not yet paid off, and when
        self._bulk = 0
        self._reports = 0
        self._sent_away, self._sent_away_at = 0.0, clock()

    @contextlib.contextmanager
    def enter(self, route: Route, caller: str) -> Iterator[None]:  # type: ignore[type-arg]  # any route
        """Be inside for the time of a request. Raises TooManyRequests or ServerBusy, before its body is read."""
        if route.action in ("drive", "work"):
            with self._reporting(route is WORK):
                yield
        elif route.body_bytes >= BULK_BYTES:
            with self._carrying():
                yield
        else:
            self._pay(caller)
            yield

    def _pay(self, caller: str) -> None:
        """A leaky bucket: it fills with each request and drains at the rate."""
        with self._lock:
            now = self._clock()
            spent, since = self._spent.pop(caller, (0.0, now))
            spent = max(0.0, spent - (now - since) * self._rate)
            over = spent + 1 - self._burst
            self._spent[caller] = (spent if over > 0 else spent + 1, now)
            while len(self._spent) > CALLERS_KEPT:
                self._spent.popitem(last=False)
        if over > 0:
            raise TooManyRequests(
                f"more than {self._rate:g} requests a second (server.requests_per_second) came from {caller}; "
                "ask for more at once, or less often",
                max(1.0, over / self._rate),
            )

    @contextlib.contextmanager
    def _carrying(self) -> Iterator[None]:
        with self._lock:
            if self._bulk >= self._bulk_at_once:
                raise ServerBusy(
                    f"{self._bulk} large requests are being worked on", random.uniform(*LATER_SECONDS)
                )
            self._bulk += 1
        try:
            yield
        finally:
            with self._lock:
                self._bulk -= 1

    @contextlib.contextmanager
    def _reporting(self, counts: bool) -> Iterator[None]:
        with self._lock:
            self._reports += counts
        try:
            yield
        finally:
            with self._lock:
                self._reports -= counts

    def prefer_results(self, sent: WorkRequest) -> None:
        """Send a mere sign of life away while results wait. Raises ServerBusy."""
        if self._reports >= self._crowd and not (sent.outcomes or sent.claims):
            raise ServerBusy("results go before signs of life just now", self._later())

    def _later(self) -> float:
        """When one who is sent away may come back: the more they are, the further they are spread out.

        When thousands of workers find their server again, those who came back after a second or two would only be
        sent away again, each time for half the price of an answer.
        """
        with self._lock:
            now = self._clock()
            self._sent_away *= math.exp((self._sent_away_at - now) / CROWD_SECONDS)
            self._sent_away, self._sent_away_at = self._sent_away + 1, now
            needed = self._sent_away / BACK_PER_SECOND
        soonest, latest = LATER_SECONDS
        return random.uniform(soonest, min(max(latest, needed), LATEST_SECONDS))
