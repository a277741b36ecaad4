"""Being gentle: a bucket of tokens for requests, and a rest for a scheduler that does not answer."""

import math
import time
from collections.abc import Callable
from typing import TypeVar

from jobmon.core.scheduler.shapes import NoAnswer, Refused, Unreachable

SLOWEST = 1 / 16  # of the usual rate
FIRST_REST_SECONDS = 5.0
LONGEST_REST_SECONDS = 60.0
T = TypeVar("T")


class Bucket:
    """Lets `rate` requests a second pass, and `burst` at once; `slow_down` halves the rate."""

    def __init__(
        self,
        rate: float,
        burst: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """The bucket is full."""
        self.rate = self._usual = rate
        self._burst = float(burst)
        self._tokens = self._burst
        self._clock = clock
        self._sleep = sleep
        self._filled_at = clock()

    def take(self) -> None:
        """Wait until there is a token, and take it."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self.rate)
        self._filled_at = now
        if self._tokens < 1:
            self._sleep((1 - self._tokens) / self.rate)
            self._filled_at = self._clock()
            self._tokens = 1.0
        self._tokens -= 1

    def slow_down(self) -> None:
        """An answer did not come, or asked for patience."""
        self.rate = max(self._usual * SLOWEST, self.rate / 2)
        self._tokens = min(self._tokens, 1.0)

    def recover(self) -> None:
        """An answer came."""
        self.rate = min(self._usual, self.rate * 1.25)


class Breaker:
    """Keeps questions away from what does not answer: one probe after each rest, all others fail at once."""

    def __init__(
        self,
        what: str,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`what` is it that does or does not answer."""
        self._what = what
        self._clock = clock
        self._wall_clock = wall_clock
        self._since = ""
        self._why = ""
        self._rest = 0.0
        self._probe_at = -math.inf

    @property
    def trouble(self) -> str:
        """Since when there is no answer, and why; "" if there is."""
        return f"{self._what} has not answered since {self._since}: {self._why}" if self._since else ""

    def check(self) -> None:
        """Raises Unreachable during a rest."""
        if self._since and self._clock() < self._probe_at:
            raise Unreachable(self.trouble)

    def worked(self) -> None:
        """There was an answer."""
        self._since, self._rest = "", 0.0

    def failed(self, why: str) -> None:
        """There was none."""
        if not self._since:
            self._since = time.strftime("%H:%M:%S", time.localtime(self._wall_clock()))
        self._why = why
        self._rest = min(LONGEST_REST_SECONDS, max(FIRST_REST_SECONDS, 2 * self._rest))
        self._probe_at = self._clock() + self._rest


class Gate:
    """Lets requests through gently: at the bucket's pace, and not while a breaker rests."""

    def __init__(
        self,
        bucket: Bucket,
        asks_for_patience: Callable[[str], bool],
    ) -> None:
        """`asks_for_patience` tells whether the words of a refusal do."""
        self.requests = 0
        self._bucket = bucket
        self._asks_for_patience = asks_for_patience

    def ask(self, breaker: Breaker, question: Callable[[], T]) -> T:
        """The answer to a question, or what it raises: Unreachable, NoAnswer or Refused."""
        breaker.check()
        self._bucket.take()
        self.requests += 1
        try:
            answer = question()
        except (Unreachable, NoAnswer) as error:
            self._bucket.slow_down()
            breaker.failed(str(error))
            raise
        except Refused as error:
            if self._asks_for_patience(str(error)):
                self._bucket.slow_down()
            breaker.worked()
            raise
        self._bucket.recover()
        breaker.worked()
        return answer
