"""The cluster contract on Slurm: batches become job arrays, silent attempts are judged by queue and accounting."""

import logging
import math
import time
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from typing import NoReturn

from msgspec.structs import replace

from jobmon.core.cluster import Connection, JobState, Look
from jobmon.core.constants import FailureClass, TaskInstanceStatus
from jobmon.core.exceptions import BatchTooLarge, ClusterError, SubmitRefused, SubmitUnknown
from jobmon.core.ids import BatchId, TaskInstanceId
from jobmon.core.wire import Batch, Job, Observed, Pace
from jobmon_slurm.api import Slurm, choose
from jobmon_slurm.limits import Limits
from jobmon_slurm.logs import Logs
from jobmon_slurm.nodes import Nodes
from jobmon_slurm.options import Options
from jobmon_slurm.reach import check_reach
from jobmon_slurm.refusals import Meaning, meaning
from jobmon_slurm.resources import sbatch_options
from jobmon_slurm.shapes import NoAnswer, Queued, Record, Refused, Submission, Unreachable
from jobmon_slurm.states import ALIVE, IMPOSSIBLE, OVER
from jobmon_slurm.verdicts import Place, judge, vanished
from jobmon_slurm.watch import Watch, expressions

log = logging.getLogger(__name__)

SCRIPT = '#!/bin/sh\nexec "$@" --node="$SLURMD_NODENAME"\n'
BATCHES_WAITING = 2
UNKNOWN_WORDS_AT_MOST = 3  # an error text that the table does not know is met so often before it is believed
LAG_SECONDS = 10.0  # by which accounting may be behind
FRESH_SECONDS = 2.0  # the queue as it was so long ago is as good as now


class SlurmCluster:
    """One workflow's jobs on one Slurm. Used from one thread."""

    def __init__(
        self,
        connection: Connection,
        slurm: Slurm,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is asked yet. `clock` counts seconds from anywhere."""
        options: Options = connection.options
        self._connection = connection
        self._options = options
        self._slurm = slurm
        self._limits = limits
        self._clock = clock
        self._watch = Watch()
        self._logs = Logs(connection.state_dir / "logs")
        self._nodes = Nodes(connection.shared_dir, options.avoid_seconds, options.avoid_after)
        self._place = Place(str(connection.state_dir), connection.python)
        self._partition_seconds: dict[str, int | None] | None = None
        self._rows: list[Queued] = []
        self._ends: list[tuple[Batch, int]] = []  # seen, not told yet
        self._poll_at = math.inf
        self._looked_at = self._acted_at = -math.inf
        self._doubtful: set[str] = set()  # names of which a job may exist
        self._absent_since: dict[str, float] = {}
        self._missing_since: dict[TaskInstanceId, float] = {}
        self._unknown_words: dict[str, int] = {}
        self._waits = ""

    @classmethod
    def connected(cls, connection: Connection, clock: Callable[[], float] = time.monotonic) -> "SlurmCluster":
        """Find out how to talk to Slurm, and its limits. Raises ClusterError."""
        options: Options = connection.options
        back_end, why = choose(options)
        slurm = Slurm(back_end, options)
        try:
            config = slurm.config()
            limits = Limits.read(config, None, options)
            if limits.has_accounting:
                limits = Limits.read(config, _submit_limit(slurm), options)
            if not options.answer_seconds:
                slurm.be_patient(3 * limits.message_seconds)
            check_reach(connection, slurm)
        except ClusterError:
            slurm.close()
            raise
        log.info("Slurm %s by %s; %s", config.get("SLURM_VERSION", "?"), why, limits)
        return cls(connection, slurm, limits, clock)

    def pace(self) -> Pace:
        """Arrays as large as the limits allow; what becomes ready while two wait goes into the next one."""
        return Pace(max_batch=self._limits.batch, max_waiting=BATCHES_WAITING)

    def adopt(self, batches: Sequence[Batch]) -> None:
        """Watch these from now on."""
        for batch in batches:
            self._watch.begin(batch, batch.job_id)
        self._poll_at = self._clock()

    def notice(self) -> str:
        """Why Slurm makes us wait."""
        if self._slurm.trouble or self._waits:
            return self._slurm.trouble or self._waits
        waiting = [f"{count} tasks wait ({reason})" for reason, count in self._watch.reasons.most_common(3)]
        return f"Slurm: {', '.join(waiting)}" if waiting else ""

    # Submitting.

    def submit(self, batch: Batch) -> str:
        """Hand over a batch as one array."""
        self._check_room(batch)
        submission = self._submission(batch)
        self._acted_at = self._clock()
        self._absent_since.pop(batch.name, None)
        try:
            job_id = self._slurm.submit(submission)
        except Unreachable as error:
            raise SubmitRefused(str(error), FailureClass.POLICY) from error
        except NoAnswer as error:
            self._doubtful.add(batch.name)
            raise SubmitUnknown(str(error)) from error
        except Refused as error:
            self._refused(batch, str(error))
        self._waits = ""
        self._begin(batch, job_id)
        return job_id

    def _begin(self, batch: Batch, job_id: str) -> None:
        if not len(self._watch):
            self._poll_at = self._clock() + self._options.poll_seconds
        self._watch.begin(batch, job_id)
        self._doubtful.discard(batch.name)
        self._absent_since.pop(batch.name, None)

    def _check_room(self, batch: Batch) -> None:
        """Raises SubmitRefused while the limits leave no room: `sbatch` itself would wait for ever."""
        if batch.size > self._limits.batch:
            raise BatchTooLarge(f"Slurm takes {self._limits.batch} tasks in an array, this one has {batch.size}")
        if self._there() + batch.size > self._limits.submitted:
            self._look_for_room()
        there = self._there()
        if there + batch.size > self._limits.submitted:
            self._waits = f"Slurm takes {self._limits.submitted} jobs of this user at one time; {there} are there"
            raise SubmitRefused(self._waits, FailureClass.POLICY)

    def _there(self) -> int:
        """Jobs of this user, as far as is known."""
        return len(self._watch) + self._watch.others

    def _look_for_room(self) -> None:
        """What the last look showed may be over by now; nothing else looks when none of our own jobs is there."""
        if self._clock() - self._looked_at < self._options.poll_seconds:
            return
        try:
            self._look()
        except (Unreachable, NoAnswer, Refused) as error:
            raise SubmitRefused(str(error), FailureClass.POLICY) from error

    def _submission(self, batch: Batch) -> Submission:
        """Raises SubmitRefused when our own folder cannot be written: no job could tell anything."""
        script = self._connection.state_dir / "launch.sh"
        try:
            if not script.exists() or script.read_text() != SCRIPT:
                script.write_text(SCRIPT)
            pattern = self._logs.prepare(batch.name)
        except OSError as error:
            raise SubmitRefused(
                f"cannot write to {self._connection.state_dir}: {error}. Mend that, or set "
                "JOBMON__SERVER__DATA_DIR to a folder that all nodes share",
                FailureClass.POLICY,
            ) from error
        limit = batch.resources.runtime_seconds
        patience = self._connection.worker.start_wait_seconds
        words = [
            *self._connection.worker_argv,
            f"--batch-id={batch.batch_id}",
            "--index-env=SLURM_ARRAY_TASK_ID",
            f"--start-wait={patience if limit is None else min(patience, limit / 4):g}",
        ]
        return Submission(
            name=batch.name,
            size=batch.size,
            script=str(script),
            arguments=words,
            log_pattern=pattern,
            options=sbatch_options(batch.resources, self._partition_limit(batch), list(self._nodes.avoided())),
            requeue=self._options.requeue,
            singleton=batch.look_first or batch.name in self._doubtful,
        )

    def _partition_limit(self, batch: Batch) -> int | None:
        """The most seconds that the partition gives; asked once, and only when a time is given."""
        if batch.resources.runtime_seconds is None:
            return None
        if self._partition_seconds is None:
            try:
                self._partition_seconds = {one.name: one.max_seconds for one in self._slurm.partitions()}
            except (Unreachable, NoAnswer, Refused) as error:
                raise SubmitRefused(str(error), FailureClass.POLICY) from error
        return self._partition_seconds.get(batch.resources.queue)

    def _refused(self, batch: Batch, words: str) -> NoReturn:
        """Raises what follows from Slurm's words."""
        found = meaning(words)
        if batch.size > 1 and (found is Meaning.TOO_LARGE or (found is Meaning.LIMIT and self._is_alone())):
            self._limits.too_large(batch.size)
            raise BatchTooLarge(words)
        if found in (Meaning.LIMIT, Meaning.LATER):
            self._waits = words
            raise SubmitRefused(words, FailureClass.POLICY)
        if found is Meaning.FATAL and "node" in words.lower() and self._nodes.forgive():
            raise SubmitRefused(f"{words}. It is tried again without avoiding any node", FailureClass.POLICY)
        if found in (Meaning.FATAL, Meaning.TOO_LARGE):
            raise SubmitRefused(words, FailureClass.FATAL)
        times = self._unknown_words[batch.name] = self._unknown_words.get(batch.name, 0) + 1
        if times >= UNKNOWN_WORDS_AT_MOST:
            raise SubmitRefused(words, FailureClass.INFRASTRUCTURE)
        self._doubtful.add(batch.name)
        raise SubmitUnknown(words)

    def _is_alone(self) -> bool:
        """Whether no other job of this user can be what fills a limit."""
        try:
            self._queue()
        except (Unreachable, NoAnswer, Refused):
            return False
        return not self._there()

    # Looking up.

    def look_up(self, batches: Sequence[Batch]) -> Mapping[BatchId, Look]:
        """By name: in the queue, then in accounting; absent only when both have not had it for a while."""
        by_name = {batch.name: batch for batch in batches}
        self._doubtful.update(by_name)
        looks = self._found(by_name, self._queued(by_name))
        left = [name for name, batch in by_name.items() if batch.batch_id not in looks]
        if left and self._limits.has_accounting:
            hours = max(self._logs.hours_since(name) for name in left)
            try:
                records = self._slurm.history_of_names(left, hours)
            except ClusterError:
                if looks:
                    return looks
                raise
            looks |= self._found(by_name, _first((one.name, one.array_id) for one in records if one.name in left))
        absent = [batch for batch in batches if batch.batch_id not in looks and self._is_settled(batch.name)]
        return looks | {batch.batch_id: Look(absent=True) for batch in absent}

    def _queued(self, names: Container[str]) -> dict[str, str]:
        """Name -> array in the queue. Of two of one name, left by a double submission, the later is cancelled."""
        rows = [row for row in self._queue() if row.name in names]
        found = _first((row.name, row.array_id) for row in rows)
        later = {row.array_id for row in rows if row.array_id != found[row.name] and row.state not in OVER}
        if later:
            self._cancel(sorted(later))
        return found

    def _found(self, by_name: Mapping[str, Batch], arrays: Mapping[str, str]) -> dict[BatchId, Look]:
        for name, job_id in arrays.items():
            self._begin(by_name[name], job_id)
        return {by_name[name].batch_id: Look(job_id=job_id) for name, job_id in arrays.items()}

    def _is_settled(self, name: str) -> bool:
        """Whether a job of this name would have come to light by now."""
        since = self._absent_since.setdefault(name, self._clock())
        return self._clock() - since >= 2 * self._limits.message_seconds + LAG_SECONDS

    # What became of them.

    def events(self) -> Sequence[Observed]:
        """Look at the queue when it is time: rarely, and the more rarely the longer that takes."""
        now = self._clock()
        impossible: list[Observed] = []
        if not self._ends and len(self._watch) and now >= self._poll_at:
            self._poll_at = now + self._options.poll_seconds
            self._look()
            impossible = self._give_up_impossible()
        ended, self._ends = self._ends, []
        seen = [Observed(instance_id=_instance(batch, index), state=JobState.ENDED) for batch, index in ended]
        return seen + impossible

    def _look(self) -> None:
        began = self._clock()
        rows = self._slurm.queue()
        self._looked_at = self._clock()
        pause = 10 * (self._looked_at - began)
        longest = max(self._options.poll_seconds, self._options.poll_seconds_max)
        self._poll_at = self._looked_at + min(max(self._options.poll_seconds, pause), longest)
        self._rows = rows
        ended = self._watch.look(rows)
        self._ends += ended
        for batch in {batch.batch_id: batch for batch, _ in ended}.values():
            if not self._watch.job_id(batch.batch_id):
                self._logs.tidy(batch.name)

    def _queue(self) -> list[Queued]:
        """The queue as it is now, or was a moment ago."""
        if self._looked_at <= self._acted_at or self._clock() - self._looked_at > FRESH_SECONDS:
            self._look()
        return self._rows

    def _give_up_impossible(self) -> list[Observed]:
        """Cancel what can never start, and say why in Slurm's words."""
        stuck = self._watch.impossible(self._clock(), self._options.impossible_seconds)
        if stuck:
            tasks = [(self._watch.job_id(batch.batch_id), index) for batch, index, _ in stuck]
            self._cancel(expressions(tasks, {}))
            self._watch.give_up((batch, index) for batch, index, _ in stuck)
        return [_impossible(batch, index, reason) for batch, index, reason in stuck]

    def observe(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        """The queue says what is alive; accounting says how the others ended."""
        shown = {(row.array_id, row.name, index): row for row in self._queue() for index in row.indices}
        seen: list[Observed] = []
        ended: list[tuple[Job, Queued | None]] = []
        for job in self._with_job_ids(jobs):
            row = shown.get((job.job_id, job.name, job.index))
            if row and row.state not in OVER:
                self._missing_since.pop(job.instance_id, None)
            if row and row.state in ALIVE:
                seen.append(Observed(instance_id=job.instance_id, state=ALIVE[row.state], node=row.nodes))
            elif row and row.state not in OVER:
                seen.append(Observed(instance_id=job.instance_id, state=JobState.UNKNOWN))
            else:
                ended.append((job, row))
        whole = {job.job_id for job, row in ended if row is None and not job.started}
        records = self._records([job for job, _ in ended], whole)
        return seen + [self._verdict(job, row, records) for job, row in ended]

    def _with_job_ids(self, jobs: Sequence[Job]) -> list[Job]:
        """Also those of which no job id is known: a batch that was called refused may be there after all."""
        ids: dict[str, str] = {}
        if not all(job.job_id for job in jobs):
            ids = _first((row.name, row.array_id) for row in self._queue())
        return [job if job.job_id else replace(job, job_id=ids.get(job.name, "")) for job in jobs]

    def _records(
        self, jobs: Sequence[Job], whole: Collection[str]
    ) -> dict[tuple[str, str, int | None], Record] | None:
        """What accounting says, if there is any; None when it does not answer.

        whole  arrays of which tasks that never started are not found: they share a record that a question for
               one of them does not find
        """
        known = [job for job in jobs if job.job_id]
        if not known or not self._limits.has_accounting:
            return {}
        hours = max(self._logs.hours_since(job.name) for job in known)
        try:
            found = _by_task(self._slurm.history([f"{job.job_id}_{job.index}" for job in known], hours))
            left = {job.job_id for job in known if _key(job) not in found} & set(whole)
            return found | _by_task(self._slurm.history(sorted(left), hours)) if left else found
        except (Unreachable, NoAnswer, Refused):
            return None

    def _verdict(
        self, job: Job, row: Queued | None, records: Mapping[tuple[str, str, int | None], Record] | None
    ) -> Observed:
        record = records.get(_key(job)) if records is not None else None
        if record is None or record.state not in OVER:
            if row is None and records is None:
                return Observed(instance_id=job.instance_id, state=JobState.UNKNOWN)
            if row is None:
                return self._missing(job)
            if self._limits.has_accounting and self._absent(job) < LAG_SECONDS:
                return Observed(instance_id=job.instance_id, state=JobState.UNKNOWN)
            record = Record(job.job_id, job.index, job.name, self._slurm.user, row.state, nodes=row.nodes)
        self._missing_since.pop(job.instance_id, None)
        verdict = judge(job, record, self._logs.tail(job.name, job.index), self._place)
        if verdict.bad_node:
            self._nodes.failed(verdict.bad_node, job.task_id, verdict.observed.message.splitlines()[0])
        return verdict.observed

    def _missing(self, job: Job) -> Observed:
        if self._absent(job) < self._options.vanish_seconds:
            return Observed(instance_id=job.instance_id, state=JobState.UNKNOWN)
        del self._missing_since[job.instance_id]
        return vanished(job)

    def _absent(self, job: Job) -> float:
        """Seconds since accounting or queue were first seen without it."""
        return self._clock() - self._missing_since.setdefault(job.instance_id, self._clock())

    # Ending.

    def cancel(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        """Cancel those that the queue still has under their names; a cancel that is lost is made again."""
        alive = {
            (row.array_id, row.name, index)
            for row in self._queue()
            if row.state not in OVER
            for index in row.indices
        }
        jobs = self._with_job_ids(jobs)
        left = [job for job in jobs if (job.job_id, job.name, job.index) in alive]
        if left:
            self._cancel(expressions([(job.job_id, job.index) for job in left], {}))
        return [_cancelled(job) for job in jobs if (job.job_id, job.name, job.index) not in alive]

    def _cancel(self, wanted: Sequence[str]) -> None:
        self._acted_at = self._clock()
        self._slurm.cancel(wanted)

    def close(self, finished: bool) -> None:
        """Let go; a finished run leaves no logs of ours behind."""
        if finished:
            self._logs.clear()
        self._slurm.close()


def _first(arrays: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Name -> the array that was submitted first, of pairs (name, array)."""
    return dict(sorted(arrays, key=lambda pair: int(pair[1]), reverse=True))


def _submit_limit(slurm: Slurm) -> int | None:
    try:
        return slurm.submit_limit()
    except ClusterError as error:
        log.warning("what accounting lets this user submit is not known: %s", error)
        return None


def _key(job: Job) -> tuple[str, str, int | None]:
    return job.job_id, job.name, job.index


def _by_task(records: Iterable[Record]) -> dict[tuple[str, str, int | None], Record]:
    return {(record.array_id, record.name, record.index): record for record in records}


def _instance(batch: Batch, index: int) -> TaskInstanceId:
    return TaskInstanceId(batch.first_instance_id + index)


def _impossible(batch: Batch, index: int, reason: str) -> Observed:
    words = f"Slurm will never start the job as it was asked for: {reason}, {IMPOSSIBLE[reason]}. Ask for less."
    return Observed(
        instance_id=_instance(batch, index),
        state=JobState.OVER,
        status=TaskInstanceStatus.ERROR_FATAL,
        failure_class=FailureClass.FATAL,
        message=words,
    )


def _cancelled(job: Job) -> Observed:
    return Observed(
        instance_id=job.instance_id,
        state=JobState.GONE,
        status=TaskInstanceStatus.ERROR_FATAL,
        failure_class=FailureClass.KILLED,
        message=f"cancelled (Slurm job {job.job_id}_{job.index})",
    )
