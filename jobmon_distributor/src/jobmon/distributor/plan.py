"""What to do next on one cluster: what is known goes in, actions come out.

There is no I/O here, no thread and no clock: the time is an argument. A batch that the server offers is

    waiting   certainly not on the cluster: it may be submitted
    unseen    perhaps on the cluster (somebody handed it over and no clear answer came): it is looked up by
              its name until it is found, or proven absent; only then may it wait again
    settled   launched or refused, and reported so

A batch that is handed to the cluster is unseen from that moment on, so whatever happens in between, nothing
submits it a second time on a guess. What the server says about a settled batch comes from an answer that
crossed our report: it is answered with the same report once more.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from jobmon.core.cluster import Look, instances
from jobmon.core.constants import FailureClass
from jobmon.core.ids import BatchId, TaskInstanceId
from jobmon.core.resources import Resources
from jobmon.core.wire import Batch, Job, Launched, Observed, Refused
from jobmon.distributor.actions import Action, Adopt, Cancel, Drop, Listen, LookUp, Observe, Prune, Report, Submit
from jobmon.distributor.patience import Pauses, Turn, Wanted

SETTLED_KEPT = 10_000  # many more than answers can cross on the way; a bound for the memory of long runs


@dataclass
class Unseen(Turn):
    """A batch that is perhaps on the cluster."""

    batch: Batch = field(kw_only=True)


class Plan:
    """All that is in hand for one cluster. `report` gets what the server must be told."""

    def __init__(self, report: Callable[[Report], None], pauses: Pauses | None = None) -> None:
        """A new plan has nothing to do."""
        self._report = report
        self._pauses = pauses or Pauses()
        self._waiting: dict[BatchId, Batch] = {}
        self._unseen: dict[BatchId, Unseen] = {}
        self._settled: dict[BatchId, Launched | Refused] = {}
        self._hopeless: list[tuple[Resources, str]] = []  # what the cluster will never take, in its words
        self._cancels = Wanted(self._pauses.cancel)
        self._suspects = Wanted(self._pauses.observe)
        self._spare: dict[TaskInstanceId, Job] = {}
        self._prune = Turn(-math.inf)
        self._submit = Turn(-math.inf)
        self._listen_at = math.inf
        self._adopted: tuple[Batch, ...] = ()
        self._adopt = Turn(-math.inf)
        self._turns = deque(
            (
                self._adopt_all,
                self._submit_or_drop,
                self._look_up,
                self._cancel,
                self._prune_spare,
                self._observe,
                self._listen,
            )
        )  # each kind in its turn, so that none starves behind slow ones
        self.notice = ""  # why submitting has to wait, in the cluster's own words

    @property
    def spare(self) -> tuple[Job, ...]:
        """The places on the cluster in which nothing will be started, as far as it was not asked to end them."""
        return tuple(self._spare.values())

    @property
    def in_hand(self) -> list[BatchId]:
        """The batches that are neither launched nor refused yet."""
        return [*self._waiting, *self._unseen]

    # What the server says.

    def told(
        self,
        submit: Iterable[Batch],
        cancel: Iterable[Job],
        suspects: Iterable[Job],
        now: float,
        active: bool = True,
        complete: bool = True,
        spare: Iterable[Job] = (),
    ) -> int:
        """Take in an answer of the server; returns how much of it is new.

        active    whether attempts of the run are on a cluster
        complete  whether `cancel` and `suspects` are all there are, so that what they lack is settled
        """
        new = sum(self._offered(batch, now) for batch in submit)
        new += self._cancels.name(cancel, complete, now)
        new += self._suspects.name(suspects, complete, now)
        new += self._spared(spare, now)
        self._listen_at = min(self._listen_at, now + self._pauses.listen_seconds) if active else math.inf
        return new

    def _spared(self, places: Iterable[Job], now: float) -> int:
        before = len(self._spare)
        self._spare.update((job.instance_id, job) for job in places)
        if self._spare and self._prune.pause_seconds == 0:
            self._prune.put_off(self._pauses.prune, now)  # more will follow
        return len(self._spare) - before

    def taken_over(self, batches: Iterable[Batch], now: float) -> None:
        """Somebody before us has handed these to the cluster: watch them, hear at once what it has to tell."""
        self._adopted = tuple(batches)
        self._listen_at = now

    def _offered(self, batch: Batch, now: float) -> bool:
        if batch.batch_id in self._waiting or batch.batch_id in self._unseen:
            return False
        if batch.batch_id in self._settled:
            self._report(self._settled[batch.batch_id])
            return False
        if batch.look_first:
            self._unseen[batch.batch_id] = Unseen(now, batch=batch)
        else:
            self._waiting[batch.batch_id] = batch
            self._refuse_hopeless()
        return True

    # What to do.

    def next(self, now: float, may_submit: bool = True) -> Action | None:
        """What to do now, or None. Its result must be given back before the next question."""
        for tries, choose in enumerate(self._turns, start=1):
            action = choose(now, may_submit)
            if action:
                self._turns.rotate(-tries)
                return action
        return None

    def next_at(self, may_submit: bool = True) -> float:
        """When there will be something to do if nothing else happens."""
        return min(
            self._adopt.due_at if self._adopted else math.inf,
            self._submit.due_at if self._waiting and may_submit else math.inf,
            min((unseen.due_at for unseen in self._unseen.values()), default=math.inf),
            self._cancels.next_at(self),
            self._prune.due_at if self._spare else math.inf,
            self._suspects.next_at(self),
            self._listen_at,
        )

    def __contains__(self, batch_id: object) -> bool:
        """Whether this batch is in hand; then the cluster has no job id for its attempts yet."""
        return batch_id in self._waiting or batch_id in self._unseen

    def _adopt_all(self, now: float, _: bool) -> Action | None:
        return Adopt(self._adopted) if self._adopted and self._adopt.due_at <= now else None

    def _submit_or_drop(self, now: float, may_submit: bool) -> Action | None:
        if not self._waiting or not may_submit or now < self._submit.due_at:
            return None
        batch = self._waiting.pop(next(iter(self._waiting)))
        self._unseen[batch.batch_id] = Unseen(math.inf, batch=batch)
        if all(instance_id in self._cancels for instance_id in instances(batch)):
            return Drop(batch)
        return Submit(batch)

    def _look_up(self, now: float, _: bool) -> Action | None:
        batches = tuple(unseen.batch for unseen in self._unseen.values() if unseen.due_at <= now)
        return LookUp(batches) if batches else None

    def _cancel(self, now: float, _: bool) -> Action | None:
        jobs = tuple(self._with_job_id(job) for job in self._cancels.due(now, but=self))
        return Cancel(jobs) if jobs else None

    def _prune_spare(self, now: float, _: bool) -> Action | None:
        """The longer it goes on the more rarely: a place that starts all the same only costs its start."""
        return Prune(self.spare) if self._spare and self._prune.due_at <= now else None

    def _observe(self, now: float, _: bool) -> Action | None:
        jobs = tuple(self._with_job_id(job) for job in self._suspects.due(now, but=self))
        return Observe(jobs) if jobs else None

    def _listen(self, now: float, _: bool) -> Action | None:
        return Listen() if self._listen_at <= now else None

    def _with_job_id(self, job: Job) -> Job:
        """The job with the id that the server may not know yet."""
        report = self._settled.get(job.batch_id)
        return replace(job, job_id=report.job_id) if isinstance(report, Launched) else job

    # What came of it.

    def launched(self, batch: Batch, job_id: str, now: float) -> None:
        """The cluster has this batch."""
        self._settle(batch, Launched(batch_id=batch.batch_id, job_id=job_id))
        self._listen_at = min(self._listen_at, now + self._pauses.listen_seconds)
        self._speed_up(now)

    def adopted(self, done: bool, now: float) -> None:
        """The cluster was asked to watch what was taken over, and will if `done`."""
        self._adopt.put_off(self._pauses.look_up, now)
        self._adopted = () if done else self._adopted

    def refused(self, batch: Batch, failure_class: str, message: str, now: float, too_large: bool = False) -> None:
        """The cluster certainly has not taken this batch. A limit of the site only makes it wait."""
        if failure_class == FailureClass.POLICY and not too_large:
            del self._unseen[batch.batch_id]
            self._waiting[batch.batch_id] = batch
            self._slow_down(message, now)
        else:
            if failure_class == FailureClass.FATAL:
                self._hopeless.append((batch.resources, message))
            self._settle(batch, Refused(batch_id=batch.batch_id, failure_class=failure_class, message=message))
            self._refuse_hopeless()

    def _refuse_hopeless(self) -> None:
        """Ten thousand tasks that ask for what the cluster will never give cost it one question."""
        for batch in list(self._waiting.values()) if self._hopeless else ():
            words = next((words for asked, words in self._hopeless if asked == batch.resources), None)
            if words is not None:
                self._unseen[batch.batch_id] = Unseen(math.inf, batch=self._waiting.pop(batch.batch_id))
                refusal = Refused(batch_id=batch.batch_id, failure_class=FailureClass.FATAL, message=words)
                self._settle(batch, refusal)

    def unclear(self, batch: Batch, message: str, now: float) -> None:
        """The cluster may have taken this batch."""
        self._unseen[batch.batch_id].put_off(self._pauses.look_up, now)
        self._slow_down(message, now)

    def dropped(self, batch: Batch) -> None:
        """The batch was wanted gone before it was handed over."""
        why = "wanted gone before it was submitted"
        refusal = Refused(batch_id=batch.batch_id, failure_class=FailureClass.KILLED, message=why)
        self._settle(batch, refusal)

    def looked_up(
        self, batches: Sequence[Batch], looks: Mapping[BatchId, Look], now: float, trouble: str = ""
    ) -> None:
        """What a search by name found; `trouble` when it could not be made."""
        for batch in batches:
            look = looks.get(batch.batch_id, Look())
            if look.job_id:
                self.launched(batch, look.job_id, now)
            elif look.absent:
                del self._unseen[batch.batch_id]
                self._waiting[batch.batch_id] = batch
            else:
                self._unseen[batch.batch_id].put_off(self._pauses.look_up, now)
        if trouble:
            self._slow_down(trouble, now)

    def cancelled(self, jobs: Sequence[Job], seen: Iterable[Observed], now: float) -> None:
        """The cluster was asked to end these; it is asked again until the server wants them no more."""
        self._cancels.asked(jobs, now)
        self._tell(seen)

    def pruned(self, jobs: Sequence[Job], now: float) -> None:
        """The cluster was asked to end these; once will do."""
        for job in jobs:
            self._spare.pop(job.instance_id, None)
        self._prune.put_off(self._pauses.prune, now)

    def observed(self, jobs: Sequence[Job], seen: Iterable[Observed], now: float) -> None:
        """What the cluster says of these."""
        self._suspects.asked(jobs, now)
        self._tell(seen)

    def heard(self, seen: Iterable[Observed], now: float) -> None:
        """What the cluster told by itself."""
        self._listen_at = now + self._pauses.listen_seconds
        self._tell(seen)

    def _tell(self, seen: Iterable[Observed]) -> None:
        for observed in seen:
            self._report(observed)

    def _settle(self, batch: Batch, report: Launched | Refused) -> None:
        del self._unseen[batch.batch_id]
        self._settled[batch.batch_id] = report
        self._report(report)
        if len(self._settled) > SETTLED_KEPT:
            del self._settled[next(iter(self._settled))]
        if not self._waiting and not self._unseen:
            self.notice = ""

    def _slow_down(self, notice: str, now: float) -> None:
        self.notice = notice
        self._submit.put_off(self._pauses.submit, now)

    def _speed_up(self, now: float) -> None:
        """Slow start: each batch that is taken halves the pause before the next."""
        pause = self._submit.pause_seconds / 2
        self._submit = Turn(now + pause, pause) if pause >= self._pauses.submit.first else Turn(-math.inf)
        self.notice = "" if self._submit.pause_seconds == 0 else self.notice
