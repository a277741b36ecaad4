"""Handing over a batch: its room, its submission, and what follows from a refusal."""

from collections.abc import Callable
from typing import NoReturn

from jobmon.core.cluster import Connection
from jobmon.core.constants import FailureClass
from jobmon.core.exceptions import BatchTooLarge, SubmitRefused, SubmitUnknown
from jobmon.core.wire import Batch
from jobmon_slurm.api import Slurm
from jobmon_slurm.limits import Limits
from jobmon_slurm.logs import Logs
from jobmon_slurm.looking import Lookout
from jobmon_slurm.nodes import Nodes
from jobmon_slurm.options import Options
from jobmon_slurm.refusals import Meaning, meaning
from jobmon_slurm.resources import sbatch_options
from jobmon_slurm.shapes import NoAnswer, Refused, Submission, Unreachable

SCRIPT = '#!/bin/sh\nexec "$@" --node="$SLURMD_NODENAME"\n'
UNKNOWN_WORDS_AT_MOST = 3  # an error text that the table does not know is met so often before it is believed


class Submitter:
    """Submits batches. `doubtful` are the names of which a job may exist."""

    def __init__(
        self, connection: Connection, slurm: Slurm, limits: Limits, lookout: Lookout, logs: Logs, nodes: Nodes
    ) -> None:
        """Nothing is submitted yet."""
        self.doubtful: set[str] = set()
        self.waits = ""  # why submitting has to wait, in Slurm's words
        self._connection = connection
        self._options: Options = connection.options
        self._slurm = slurm
        self._limits = limits
        self._lookout = lookout
        self._logs = logs
        self._nodes = nodes
        self._partition_seconds: dict[str, int | None] | None = None
        self._unknown_words: dict[str, int] = {}

    def submit(self, batch: Batch) -> str:
        """The job id. Raises SubmitRefused, BatchTooLarge, SubmitUnknown."""
        self._check_room(batch)
        submission = self._submission(batch)
        self._lookout.acted()
        try:
            job_id = self._slurm.submit(submission)
        except Unreachable as error:
            raise SubmitRefused(str(error), FailureClass.POLICY) from error
        except NoAnswer as error:
            self.doubtful.add(batch.name)
            raise SubmitUnknown(str(error)) from error
        except Refused as error:
            self._refused(batch, str(error))
        self.waits = ""
        return job_id

    def _check_room(self, batch: Batch) -> None:
        """Raises SubmitRefused while the limits leave no room: `sbatch` itself would wait for ever."""
        if batch.size > self._limits.batch:
            raise BatchTooLarge(f"Slurm takes {self._limits.batch} tasks in an array, this one has {batch.size}")
        if self._lookout.there + batch.size > self._limits.submitted:
            self._ask(self._lookout.look_if_old)  # nothing else looks when none of our own jobs is there
        there = self._lookout.there
        if there + batch.size > self._limits.submitted:
            self.waits = f"Slurm takes {self._limits.submitted} jobs of this user at one time; {there} are there"
            raise SubmitRefused(self.waits, FailureClass.POLICY)

    def _ask(self, question: Callable[[], object]) -> None:
        try:
            question()
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
            singleton=batch.look_first or batch.name in self.doubtful,
        )

    def _partition_limit(self, batch: Batch) -> int | None:
        """The most seconds that the partition gives; asked once, and only when a time is given."""
        if batch.resources.runtime_seconds is None:
            return None
        if self._partition_seconds is None:
            self._ask(self._read_partitions)
        return (self._partition_seconds or {}).get(batch.resources.queue)

    def _read_partitions(self) -> None:
        self._partition_seconds = {one.name: one.max_seconds for one in self._slurm.partitions()}

    def _refused(self, batch: Batch, words: str) -> NoReturn:
        """Raises what follows from Slurm's words."""
        found = meaning(words)
        if batch.size > 1 and (found is Meaning.TOO_LARGE or (found is Meaning.LIMIT and self._is_alone())):
            self._limits.too_large(batch.size)
            raise BatchTooLarge(words)
        if found in (Meaning.LIMIT, Meaning.LATER):
            self.waits = words
            raise SubmitRefused(words, FailureClass.POLICY)
        if found is Meaning.FATAL and "node" in words.lower() and self._nodes.forgive():
            raise SubmitRefused(f"{words}. It is tried again without avoiding any node", FailureClass.POLICY)
        if found in (Meaning.FATAL, Meaning.TOO_LARGE):
            raise SubmitRefused(words, FailureClass.FATAL)
        times = self._unknown_words[batch.name] = self._unknown_words.get(batch.name, 0) + 1
        if times >= UNKNOWN_WORDS_AT_MOST:
            raise SubmitRefused(words, FailureClass.INFRASTRUCTURE)
        self.doubtful.add(batch.name)
        raise SubmitUnknown(words)

    def _is_alone(self) -> bool:
        """Whether no other job of this user can be what fills a limit."""
        try:
            self._lookout.rows()
        except (Unreachable, NoAnswer, Refused):
            return False
        return not self._lookout.there
