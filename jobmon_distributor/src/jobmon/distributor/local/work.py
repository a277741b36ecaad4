"""All attempts that the executor has, by how far each of them is; pure, the clock is a value.

    queued -> asked -> ready -> running -> (outcome) unreported -> reported
              (claimed at the server)

An attempt is claimed when there is a slot for it. Attempts that take milliseconds would then wait for an
exchange with the server each, so as many more are claimed as will be started within a moment, judged by how
long the last ones took: long ones are thus never shown as running before they run.
"""

from collections import deque
from collections.abc import Iterable

from jobmon.core.ids import BatchId, TaskInstanceId
from jobmon.core.wire import Batch, Claim, Denial, Outcome, WorkAnswer
from jobmon.distributor.local import ending
from jobmon.distributor.local.attempt import Attempt, attempts
from jobmon.distributor.local.queue import Queue

AHEAD_SECONDS = 0.5  # claim what will be started within this time
MOST_AHEAD = 500
DUMMY_AHEAD = 2000
PATIENCE_SECONDS = 0.3  # an outcome is told within this time though the executor is busy
PACE_SECONDS = 0.02  # between requests while all slots are busy
UNANSWERED_CLAIM_SECONDS = 1.0  # a claim that the server neither granted nor denied is repeated after this
SHORTEST_SECONDS = 0.0005  # that a start is taken to need


class Work:
    """What there is to do, and what was done and not told yet."""

    def __init__(self, parallelism: int, dummy: bool = False) -> None:
        """`dummy`: attempts are over as soon as they are granted, and need no slots."""
        self.parallelism = parallelism
        self.dummy = dummy
        self.queue = Queue()
        self.ready: deque[Attempt] = deque()
        self.running: dict[TaskInstanceId, Attempt] = {}
        self.claimed: dict[TaskInstanceId, str] = {}  # ready and running: what heartbeats are about
        self.outcomes: list[Outcome] = []
        self.unreported: set[TaskInstanceId] = set()  # in `outcomes`, or in a request without an answer
        self.used_slots = 0
        self._asked: dict[TaskInstanceId, tuple[BatchId, int, int]] = {}  # batch, index, slots
        self._places: dict[TaskInstanceId, tuple[BatchId, int]] = {}  # of a dummy's outcomes
        self._promised_slots = 0  # of what is asked or ready
        self._firsts: dict[BatchId, Batch] = {}
        self._unwanted: set[TaskInstanceId] = set()
        self._oldest_outcome = 0.0
        self._mean_seconds = 0.0

    # --- what the distributor says ---------------------------------------------------------------------

    def add(self, batch: Batch, settled: Iterable[int] = ()) -> None:
        """Take a batch without the attempts that are settled already."""
        self._firsts[batch.batch_id] = batch
        self.queue.add(batch, set(settled))

    def withdraw(self, batch_id: BatchId, index: int, instance_id: TaskInstanceId) -> str:
        """Cancel an attempt: "dropped" (never claimed), "gone", "running" (to be killed) or "ending"."""
        if self.queue.drop(batch_id, index):
            return "dropped"
        if instance_id in self.running:
            return "running"
        if instance_id in self.unreported:
            return "ending"
        if instance_id in self._asked or instance_id in self.claimed:
            self._unwanted.add(instance_id)
        return "gone"

    def seen(self, batch_id: BatchId, index: int, instance_id: TaskInstanceId) -> str:
        """What an attempt is now: "pending", "running", "ending" or "gone"."""
        if instance_id in self.running:
            return "running"
        if instance_id in self._asked or instance_id in self.claimed or self.queue.waits(batch_id, index):
            return "pending"
        return "ending" if instance_id in self.unreported else "gone"

    # --- what goes to the server -----------------------------------------------------------------------

    def claims(self, now: float) -> list[Claim]:
        """The next claims; they are asked from now on."""
        free, ahead = self._room()
        claims = self.queue.take(free, ahead, self.parallelism, now)
        for claim in claims:
            self.ask(claim)
        return claims

    def ask(self, claim: Claim) -> None:
        """A claim that is in a request."""
        batch = self._firsts[claim.batch_id]
        slots = min(batch.resources.cores, self.parallelism)
        for index in range(claim.start, claim.start + claim.count):
            instance_id = TaskInstanceId(batch.first_instance_id + index)
            self._asked[instance_id] = (claim.batch_id, index, slots)
        self._promised_slots += slots * claim.count

    def take_outcomes(self) -> list[Outcome]:
        """All outcomes that wait to be told."""
        outcomes, self.outcomes = self.outcomes, []
        return outcomes

    def send_at(self, now: float, last_sent: float) -> float | None:
        """When the next request should go; None when there is nothing to tell or to ask."""
        free, ahead = self._room()
        if self.queue.could_take(free, 0, self.parallelism, now):
            return now
        times = []
        if self.outcomes:
            busy = bool(self.queue or self.ready) and not self.dummy
            times.append(self._oldest_outcome + PATIENCE_SECONDS if busy else now)
        if ahead > self._ahead() // 2 and self.queue.could_take(0, ahead, self.parallelism, now):
            times.append(now if self.dummy else last_sent + PACE_SECONDS)
        due = self.queue.next_due()
        if due is not None and free:
            times.append(due)
        return min(times, default=None)

    def _room(self) -> tuple[int, int]:
        """Slots to claim attempts for, and how many attempts may be claimed beyond them."""
        waiting = len(self.ready) + len(self._asked)
        if self.dummy:
            return 0, max(0, DUMMY_AHEAD - waiting)
        room = self.parallelism - self.used_slots - self._promised_slots
        return max(0, room), max(0, self._ahead() + min(0, room))

    def _ahead(self) -> int:
        if self.dummy:
            return DUMMY_AHEAD
        if not self._mean_seconds:
            return 0
        return min(MOST_AHEAD, int(self.parallelism * AHEAD_SECONDS / self._mean_seconds))

    # --- what comes from the server --------------------------------------------------------------------

    def absorb(self, claims: Iterable[Claim], answer: WorkAnswer, now: float) -> list[TaskInstanceId]:
        """Take in the answer to these claims; returns the running attempts that must be stopped."""
        for grant in answer.grants:
            for attempt in attempts(grant, self.parallelism):
                self._granted(attempt, now)
        for denial in answer.denials:
            self._denied(denial, now)
        for claim in claims:
            self._unanswered(claim, now)
        stop = set(answer.stop)
        self._unwanted |= stop & self.claimed.keys() - self.running.keys()
        return sorted(stop & self.running.keys())

    def reported(self, outcomes: Iterable[Outcome]) -> None:
        """The server has these outcomes."""
        self.unreported.difference_update(outcome.instance_id for outcome in outcomes)

    def places(self, outcomes: Iterable[Outcome]) -> list[tuple[BatchId, int]]:
        """Batch and index of a dummy's attempts, which are still on record."""
        return [self._places.pop(outcome.instance_id) for outcome in outcomes]

    def _granted(self, attempt: Attempt, now: float) -> None:
        self._not_asked(attempt.instance_id)
        if self.dummy:
            self._places[attempt.instance_id] = (attempt.batch_id, attempt.index)
            self.ended(ending.dummy(attempt), now)
            return
        self.ready.append(attempt)
        self._promised_slots += attempt.order.slots
        self.claimed[attempt.instance_id] = attempt.token

    def _denied(self, denial: Denial, now: float) -> None:
        instance_id = TaskInstanceId(self._firsts[denial.batch_id].first_instance_id + denial.index)
        asked = self._not_asked(instance_id)
        wanted = instance_id not in self._unwanted
        self._unwanted.discard(instance_id)
        if asked and wanted and denial.verdict == "wait":
            due = now + max(denial.retry_after_seconds, PACE_SECONDS)
            self.queue.put_back(asked[0], asked[1], due, asked[2])

    def _unanswered(self, claim: Claim, now: float) -> None:
        first = self._firsts[claim.batch_id].first_instance_id
        for index in range(claim.start, claim.start + claim.count):
            asked = self._not_asked(TaskInstanceId(first + index))
            if asked:
                self.queue.put_back(claim.batch_id, index, now + UNANSWERED_CLAIM_SECONDS, asked[2])

    def _not_asked(self, instance_id: TaskInstanceId) -> tuple[BatchId, int, int] | None:
        asked = self._asked.pop(instance_id, None)
        if asked:
            self._promised_slots -= asked[2]
        return asked

    # --- what happens to commands ----------------------------------------------------------------------

    def next_to_start(self, now: float) -> Attempt | None:
        """The next attempt for which there are slots; it has them from now on."""
        while self.ready:
            attempt = self.ready[0]
            unwanted = attempt.instance_id in self._unwanted
            if not unwanted and self.used_slots and self.used_slots + attempt.order.slots > self.parallelism:
                return None
            self.ready.popleft()
            self._promised_slots -= attempt.order.slots
            if unwanted:
                self.ended(ending.killed_before_start(attempt), now)
                continue
            self.running[attempt.instance_id] = attempt
            self.used_slots += attempt.order.slots
            return attempt
        return None

    def finished(self, attempt: Attempt, outcome: Outcome, now: float) -> None:
        """A command is over; its slots are free."""
        del self.running[attempt.instance_id]
        self.used_slots -= attempt.order.slots
        seconds = max(attempt.wall_seconds, SHORTEST_SECONDS)
        self._mean_seconds += (seconds - self._mean_seconds) / 8 if self._mean_seconds else seconds
        self.ended(outcome, now)

    def ended(self, outcome: Outcome, now: float) -> None:
        """An attempt is over, started or not."""
        if not self.outcomes:
            self._oldest_outcome = now
        self.outcomes.append(outcome)
        self.unreported.add(outcome.instance_id)
        self.claimed.pop(outcome.instance_id, None)
        self._unwanted.discard(outcome.instance_id)

    def empty(self) -> bool:
        """Nothing to start, nothing started, nothing untold."""
        return not (self.queue or self._asked or self.ready or self.running or self.unreported)
