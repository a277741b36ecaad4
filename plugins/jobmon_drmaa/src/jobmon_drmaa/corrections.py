"""What DRMAA's session knows of the ends of its jobs, and accounting does not.

A job that is deleted while it waits has no record at all. One that is deleted while it runs has the same record as
one that anybody else ended by SIGKILL. Without the session every SIGKILL counts as a deletion: a job whose own
shell is killed is seldom the victim of an accident, and to run it again would defy whoever deleted it.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from jobmon.core.exceptions import ClusterError
from jobmon.core.scheduler.shapes import Record, Tasks
from jobmon_drmaa.drmaa_client import Drmaa
from jobmon_drmaa.states import DELETED, KILLED, SIGNALLED
from jobmon_drmaa.text import FIRST

FLUSH_SECONDS = 30.0  # a site may write its accounting every 15 s only
KEPT_SECONDS = 3600.0  # nobody asks for longer
ASKED_AT_ONCE = 1000

Task = tuple[str, int]  # job number, index


class Corrections:
    """Asks the session about what accounting leaves open."""

    def __init__(
        self,
        drmaa: Drmaa,
        user: str,
        clock: Callable[[], float] = time.monotonic,
        flush_seconds: float = FLUSH_SECONDS,
    ) -> None:
        """Nothing is open. A record may come so many seconds after its job has ended."""
        self._drmaa = drmaa
        self._user = user
        self._clock = clock
        self._flush_seconds = flush_seconds
        self._names: dict[str, str] = {}  # of arrays that were submitted in the session
        self._failed_since: dict[Task, float] = {}  # without a record

    def submitted(self, number: str, name: str) -> None:
        """The session has submitted this array."""
        self._names[number] = name

    def corrected(self, records: Iterable[Record], tasks: Tasks) -> list[Record]:
        """The records, with what the session knows better of them and of the tasks that they lack."""
        found = list(records)
        there = {(one.array_id, one.index) for one in found if one.name == self._names.get(one.array_id)}
        killed = [(one.array_id, one.index) for one in found if one.state == KILLED and one.index is not None]
        wanted = [(number, index) for number, indices in tasks.items() for index in indices or ()]
        lacking = [task for task in wanted if task not in there]
        ended = self._ended([task for task in dict.fromkeys([*killed, *lacking]) if task[0] in self._names])
        return [self._kept(one, ended) for one in found] + self._deleted(lacking, ended)

    def _kept(self, record: Record, ended: dict[Task, bool]) -> Record:
        """DRMAA calls what was deleted failed, what has got a signal from elsewhere it calls done."""
        is_ours = record.name == self._names.get(record.array_id) and record.index is not None
        if record.state != KILLED or not is_ours or ended.get((record.array_id, record.index or 0), True):
            return record
        return replace(record, state=SIGNALLED)

    def _deleted(self, lacking: Iterable[Task], ended: dict[Task, bool]) -> list[Record]:
        now = self._clock()
        failed = [task for task in lacking if ended.get(task)]
        since = {task: self._failed_since.get(task, now) for task in failed}
        kept = {task: at for task, at in self._failed_since.items() if now - at < KEPT_SECONDS}
        self._failed_since = kept | since
        settled = [task for task in failed if now - since[task] >= self._flush_seconds]
        return [Record(number, index, self._names[number], self._user, DELETED) for number, index in settled]

    def _ended(self, tasks: Sequence[Task]) -> dict[Task, bool]:
        """Of those that the session knows to have ended: whether it calls them failed. It is a help, no more."""
        ended: dict[Task, bool] = {}
        for begin in range(0, len(tasks), ASKED_AT_ONCE):
            part = {
                f"{number}.{index + FIRST}": (number, index)
                for number, index in tasks[begin : begin + ASKED_AT_ONCE]
            }
            try:
                answer = self._drmaa.ended(list(part))
            except ClusterError:
                break
            ended |= {part[job]: failed for job, failed in answer.items() if job in part}
        return ended
