"""Attempts that were handed over and are not claimed yet, in the order in which they came.

A batch is kept as a line with its next index, not as a list, so a million waiting attempts cost what their
batches cost. Attempts that the server answered "wait" for come again when their time is over.
"""

import heapq
from collections import deque
from collections.abc import Collection

from jobmon.core.ids import BatchId
from jobmon.core.wire import Batch, Claim

MOST_CLAIMS = 1000  # in one request


class Line:
    """The attempts of one batch from `next` on, without those that are `out`."""

    __slots__ = ("batch", "next", "out")

    def __init__(self, batch: Batch, out: Collection[int]) -> None:
        """`out`: indexes that are not to be claimed."""
        self.batch = batch
        self.next = 0
        self.out = {index for index in out if 0 <= index < batch.size}

    def __len__(self) -> int:
        """How many there are to claim."""
        return self.batch.size - self.next - len(self.out)

    def __contains__(self, index: int) -> bool:
        """Whether that attempt still waits here."""
        return self.next <= index < self.batch.size and index not in self.out

    def take(self, count: int) -> list[Claim]:
        """Claims for the next `count` attempts, as ranges."""
        claims: list[Claim] = []
        while count and len(self):
            start = self._skip()
            while count and self.next < self.batch.size and self.next not in self.out:
                self.next += 1
                count -= 1
            claims.append(Claim(batch_id=self.batch.batch_id, start=start, count=self.next - start))
        return claims

    def _skip(self) -> int:
        while self.next in self.out:
            self.out.remove(self.next)
            self.next += 1
        return self.next


class Queue:
    """All lines, first come first served."""

    def __init__(self) -> None:
        """Empty."""
        self._lines: deque[Line] = deque()
        self._by_batch: dict[BatchId, Line] = {}
        self._later: list[tuple[float, BatchId, int]] = []
        self._again: dict[tuple[BatchId, int], int] = {}  # the slots of each attempt in `_later`
        self._left = 0

    def __len__(self) -> int:
        """How many attempts wait, those that wait for their time included."""
        return self._left + len(self._again)

    def add(self, batch: Batch, out: Collection[int] = ()) -> None:
        """Append a batch without the attempts `out`."""
        line = Line(batch, out)
        if len(line):
            self._lines.append(line)
            self._by_batch[batch.batch_id] = line
            self._left += len(line)

    def waits(self, batch_id: BatchId, index: int) -> bool:
        """Whether that attempt waits here."""
        line = self._by_batch.get(batch_id)
        return (line is not None and index in line) or (batch_id, index) in self._again

    def drop(self, batch_id: BatchId, index: int) -> bool:
        """Forget one attempt; False when it is not here."""
        if self._again.pop((batch_id, index), 0):
            return True
        line = self._by_batch.get(batch_id)
        if line is None or index not in line:
            return False
        line.out.add(index)
        self._left -= 1
        if not len(line):
            self._forget(line)
        return True

    def put_back(self, batch_id: BatchId, index: int, due: float, slots: int) -> None:
        """Claim this attempt again, not before `due`."""
        heapq.heappush(self._later, (due, batch_id, index))
        self._again[batch_id, index] = slots

    def next_due(self) -> float | None:
        """When the first of those that were put back may be claimed."""
        while self._later and self._later[0][1:] not in self._again:
            heapq.heappop(self._later)
        return self._later[0][0] if self._later else None

    def take(self, free: int, ahead: int, parallelism: int, now: float) -> list[Claim]:
        """Claims for what fits into `free` slots and for up to `ahead` attempts more.

        An attempt that needs more slots than are free holds up those behind it, or it would never start.
        """
        claims, free = self._take_again(free, now)
        while self._lines and (free or ahead) and len(claims) < MOST_CLAIMS:
            line = self._lines[0]
            slots = min(line.batch.resources.cores, parallelism)
            fitting = free // slots
            count = min(fitting + ahead, len(line))
            claims += line.take(count)
            self._left -= count
            if len(line):
                break
            self._forget(line)
            free -= min(count, fitting) * slots
            ahead -= max(0, count - fitting)
        return claims

    def could_take(self, free: int, ahead: int, parallelism: int, now: float) -> bool:
        """Whether `take` would claim anything."""
        due = self.next_due()
        if due is not None and due <= now and free > 0:
            return True
        return bool(self._lines) and (ahead > 0 or free >= min(self._lines[0].batch.resources.cores, parallelism))

    def _take_again(self, free: int, now: float) -> tuple[list[Claim], int]:
        claims: list[Claim] = []
        while (due := self.next_due()) is not None and due <= now and free > 0 and len(claims) < MOST_CLAIMS:
            _, batch_id, index = heapq.heappop(self._later)
            free -= self._again.pop((batch_id, index))
            claims.append(Claim(batch_id=batch_id, start=index))
        return claims, max(free, 0)

    def _forget(self, line: Line) -> None:
        self._lines.remove(line)
        del self._by_batch[line.batch.batch_id]
