"""The queue as it was seen last: when to look again, what has ended since, how much room there is."""

import math
from collections.abc import Callable, Sequence

from jobmon.core.scheduler.api import Api
from jobmon.core.scheduler.options import SchedulerOptions
from jobmon.core.scheduler.shapes import Queued
from jobmon.core.scheduler.states import States
from jobmon.core.scheduler.watch import Watch
from jobmon.core.wire import Batch

FRESH_SECONDS = 2.0  # the queue as it was so long ago is as good as now
PAUSE = 10  # times what a look took lie between two


class Lookout:
    """The one who looks at the queue, for all others in this package.

    watch    what is held against it
    clear    told of each batch none of whose tasks is watched any more
    """

    def __init__(
        self,
        api: Api,
        states: States,
        options: SchedulerOptions,
        clock: Callable[[], float],
        clear: Callable[[Batch], object],
    ) -> None:
        """Nothing was seen yet."""
        self.watch = Watch(states)
        self._api = api
        self._options = options
        self._clock = clock
        self._clear = clear
        self._rows: list[Queued] = []
        self._ends: list[tuple[Batch, int]] = []  # seen, not told yet
        self._poll_at = math.inf
        self._looked_at = self._acted_at = -math.inf

    @property
    def there(self) -> int:
        """Jobs of this user, as far as is known."""
        return len(self.watch) + self.watch.others

    def begin(self, batch: Batch, job_id: str) -> None:
        """Watch this array."""
        if not len(self.watch):
            self._poll_at = self._clock() + self._options.poll_seconds
        self.watch.begin(batch, job_id)

    def soon(self) -> None:
        """Look as soon as anybody asks for news."""
        self._poll_at = self._clock()

    def acted(self) -> None:
        """We have changed the queue: what was seen before is old."""
        self._acted_at = self._clock()

    def is_due(self) -> bool:
        """Whether it is time for another look."""
        return not self._ends and len(self.watch) > 0 and self._clock() >= self._poll_at

    def ended(self) -> list[tuple[Batch, int]]:
        """The tasks that were seen to have ended since this was asked last."""
        ends, self._ends = self._ends, []
        return ends

    def rows(self) -> Sequence[Queued]:
        """The queue as it is now, or was a moment ago."""
        if self._looked_at <= self._acted_at or self._clock() - self._looked_at > FRESH_SECONDS:
            self.look()
        return self._rows

    def look_if_old(self) -> None:
        """Look, unless the last look is not older than looks usually are."""
        if self._clock() - self._looked_at >= self._options.poll_seconds:
            self.look()

    def look(self) -> None:
        """Look at the queue now. Raises what the scheduler raises."""
        began = self._clock()
        self._poll_at = began + self._options.poll_seconds
        rows = self._api.queue()
        self._looked_at = self._clock()
        longest = max(self._options.poll_seconds, self._options.poll_seconds_max)
        pause = max(self._options.poll_seconds, PAUSE * (self._looked_at - began))
        self._poll_at = self._looked_at + min(pause, longest)
        self._rows = rows
        ended = self.watch.look(rows)
        self._ends += ended
        for batch in {batch.batch_id: batch for batch, _ in ended}.values():
            if not self.watch.job_id(batch.batch_id):
                self._clear(batch)
