"""What the user sees while a run goes on: live bars on a terminal, otherwise a line now and then."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from jobmon.client.said import heedless, say
from jobmon.core.wire import Counts, FailedTask, WatchAnswer

if TYPE_CHECKING:
    from rich.console import Group

LINE_SECONDS = 10.0
BIND_QUIET_SECONDS = 2.0
RATE_SECONDS = 30.0
FAILURES_SHOWN = 3
FAILURE_LINES = 10
REFRESH_PER_SECOND = 4


class Progress(Protocol):
    """Told of everything that happens to a run, from one thread."""

    def bound(self, sent: int, total: int) -> None:
        """So many tasks of the workflow are sent."""

    def started(self, title: str) -> None:
        """The run has begun."""

    def show(self, answer: WatchAnswer) -> None:
        """The run as it stands now; `answer.failures` are new."""

    def pause(self) -> None:
        """Leave the terminal to somebody else until the next `show`."""

    def close(self, last: str) -> None:
        """The end, with a last line."""


def make_progress(title: str) -> Progress:
    """Bars when standard output is a terminal, lines on standard error otherwise."""
    return Bars() if sys.stdout is not None and sys.stdout.isatty() else Lines()


class Rate:
    """How many tasks end in a second, over the last half minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing has ended yet."""
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque()

    def note(self, ended: int) -> None:
        """So many have ended by now."""
        now = self._clock()
        self._seen.append((now, ended))
        while len(self._seen) > 2 and now - self._seen[1][0] > RATE_SECONDS:
            self._seen.popleft()

    @property
    def per_second(self) -> float:
        """Zero as long as nothing is known."""
        if len(self._seen) < 2 or self._seen[-1][0] <= self._seen[0][0]:
            return 0.0
        (began, before), (now, ended) = self._seen[0], self._seen[-1]
        return (ended - before) / (now - began)

    def remaining_seconds(self, tasks: int) -> float | None:
        """How long so many tasks will take, or None when nobody can say."""
        return tasks / self.per_second if self.per_second > 0 else None


def summary(counts: Counts, rate: Rate) -> str:
    """`120/1000 done, 4 running, 870 waiting, 2 failed, 12.3 tasks/s, about 1:13 left`."""
    left = counts.total - counts.done - counts.fatal
    parts = [f"{counts.done}/{counts.total} done", f"{counts.running} running"]
    parts.append(f"{counts.pending + counts.scheduled} waiting")
    if counts.fatal:
        parts.append(f"{counts.fatal} failed")
    if rate.per_second >= 0.05:
        parts.append(f"{rate.per_second:.1f} tasks/s")
    remaining = rate.remaining_seconds(left)
    if left and remaining is not None:
        parts.append(f"about {clock_text(remaining)} left")
    return ", ".join(parts)


def clock_text(seconds: float) -> str:
    """`1:13`, `2:05:00`."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def failure_text(failure: FailedTask) -> str:
    """One line: which task, what it said last, where the rest is."""
    known = not failure.stderr_path or failure.stderr_path in failure.message
    where = "" if known else f" (see {failure.stderr_path})"
    return f"failed: task {failure.task_id} {failure.name}: {failure.message.strip() or 'no message'}{where}"


class Lines:
    """A line every ten seconds, and one for each of the first failures."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Writes to standard error, so that the script's own output stays clean."""
        self._clock = clock
        self._rate = Rate(clock)
        self._began = self._printed = clock()
        self._failures = 0

    def bound(self, sent: int, total: int) -> None:
        """Say so when binding takes long."""
        if self._clock() - max(self._printed, self._began) >= BIND_QUIET_SECONDS:
            self._print(f"binding: {sent}/{total} tasks sent")

    def started(self, title: str) -> None:
        """Say which run it is."""
        self._print(title)

    def show(self, answer: WatchAnswer) -> None:
        """Print when it is time."""
        self._rate.note(answer.counts.done + answer.counts.fatal)
        for failure in answer.failures:
            self._failures += 1
            if self._failures <= FAILURE_LINES:
                say(f"  {failure_text(failure)}")
        if self._clock() - self._printed >= LINE_SECONDS:
            notice = f" - {answer.notices[0]}" if answer.notices else ""
            self._print(f"  {summary(answer.counts, self._rate)}{notice}")

    def pause(self) -> None:
        """Nothing is in the way."""

    def close(self, last: str) -> None:
        """Print the last line."""
        if self._failures > FAILURE_LINES:
            self._print(f"  ... and {self._failures - FAILURE_LINES} more failures")
        self._print(last)

    def _print(self, text: str) -> None:
        self._printed = self._clock()
        say(text)


class Bars:
    """A bar for each template, redrawn in place, with the newest failures below."""

    def __init__(self) -> None:
        """Takes hold of the terminal with the first `show`."""
        from rich.console import Console
        from rich.live import Live

        self._console = Console(file=heedless(sys.stdout))
        self._live: Live | None = None
        self._rate = Rate()
        self._newest: deque[FailedTask] = deque(maxlen=FAILURES_SHOWN)
        self._began = time.monotonic()

    def bound(self, sent: int, total: int) -> None:
        """Rewrite one line when binding takes long."""
        if time.monotonic() - self._began >= BIND_QUIET_SECONDS:
            self._console.print(f"binding: {sent}/{total} tasks sent", end="\n" if sent == total else "\r")

    def started(self, title: str) -> None:
        """Say which run it is."""
        self._console.print(title, markup=False, highlight=False)

    def show(self, answer: WatchAnswer) -> None:
        """Redraw."""
        from rich.live import Live

        self._rate.note(answer.counts.done + answer.counts.fatal)
        self._newest.extend(answer.failures)
        drawn = self._draw(answer)
        if self._live is None:
            self._live = Live(drawn, console=self._console, refresh_per_second=REFRESH_PER_SECOND, transient=False)
            self._live.start()
        self._live.update(drawn)

    def pause(self) -> None:
        """Give the terminal back."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def close(self, last: str) -> None:
        """Leave the last picture, with a line below it."""
        self.pause()
        self._console.print(last, markup=False, highlight=False)

    def _draw(self, answer: WatchAnswer) -> Group:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        for array in answer.arrays:
            counts = array.counts
            ended = counts.done + counts.fatal
            style = "red" if counts.fatal else "green"
            bar = ProgressBar(
                total=max(counts.total, 1), completed=ended, width=30, complete_style=style, finished_style=style
            )
            failed = Text(f"{counts.fatal} failed", style="red") if counts.fatal else Text("")
            running = Text(f"{counts.running} running" if counts.running else "", style="cyan")
            table.add_row(Text(array.name), bar, Text(f"{counts.done}/{counts.total}"), running, failed)
        lines = [Text(f"{clock_text(answer.elapsed_seconds)}  {summary(answer.counts, self._rate)}", style="bold")]
        lines += [Text(notice, style="yellow") for notice in answer.notices]
        lines += [Text(failure_text(failure), style="red", overflow="ellipsis") for failure in self._newest]
        return Group(table, *lines)
