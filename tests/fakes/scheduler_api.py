"""A scheduler in memory behind the port that all plugins share: what it shows is what the test puts there."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from jobmon.core.scheduler.shapes import Queued, Record, Refused, Submission, Tasks


@dataclass
class SchedulerApi:
    """Takes every array, unless `refusals` has words for it; tells `rows` and `records`."""

    user: str = "me"
    trouble: str = ""
    rows: list[Queued] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    nodes: Sequence[str] = ("n1",)

    asked: list[str] = field(default_factory=list)  # verbs, one for each request
    submissions: list[Submission] = field(default_factory=list)
    cancels: list[dict[str, list[int] | None]] = field(default_factory=list)
    closed: bool = False

    def submit(self, submission: Submission) -> str:
        """The numbers of arrays are 1, 2, ..."""
        self.asked.append("submit")
        if self.refusals:
            raise Refused(self.refusals.pop(0))
        self.submissions.append(submission)
        return str(len(self.submissions))

    def queue(self) -> list[Queued]:
        """`rows`."""
        self.asked.append("queue")
        return list(self.rows)

    def history(self, tasks: Tasks, hours: int) -> list[Record]:
        """Those of `records` that were asked for."""
        self.asked.append("history")
        wanted = [one for one in self.records if one.array_id in tasks]
        return [one for one in wanted if (indices := tasks[one.array_id]) is None or one.index in indices]

    def history_of_names(self, names: Sequence[str], hours: int) -> list[Record]:
        """Those of `records` that have one of the names."""
        self.asked.append("history_of_names")
        return [one for one in self.records if one.name in names]

    def cancel(self, tasks: Tasks) -> None:
        """Note it; rows stay as they are."""
        self.asked.append("cancel")
        self.cancels.append({job: None if indices is None else sorted(indices) for job, indices in tasks.items()})

    def node_addresses(self) -> list[str]:
        """`nodes`."""
        self.asked.append("node_addresses")
        return list(self.nodes)

    def close(self) -> None:
        """Remember it."""
        self.closed = True
