"""Handing over a batch: its room, its submission, and what follows from a refusal."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from jobmon.core.cluster import Connection
from jobmon.core.constants import FailureClass
from jobmon.core.exceptions import BatchTooLarge, SubmitRefused, SubmitUnknown
from jobmon.core.resources import Resources
from jobmon.core.scheduler.api import Api
from jobmon.core.scheduler.dialect import Dialect
from jobmon.core.scheduler.limits import Limits
from jobmon.core.scheduler.logs import Logs
from jobmon.core.scheduler.looking import Lookout
from jobmon.core.scheduler.nodes import Nodes
from jobmon.core.scheduler.options import SchedulerOptions
from jobmon.core.scheduler.refusals import Meaning
from jobmon.core.scheduler.shapes import NoAnswer, Refused, Submission, Unreachable
from jobmon.core.wire import Batch

SCRIPT = "launch.sh"  # in the folder of workflow and cluster
TIGHT_SHARE = 0.05  # of the run time that a further attempt may lack in a job which ends with it
UNKNOWN_WORDS_AT_MOST = 3  # an error text that the table does not know is met so often before it is believed


# Resources of a batch, nodes that shall not be used -> options. May ask the scheduler, and raise what that raises.
Request = Callable[[Resources, Sequence[str]], Mapping[str, str]]


class Submitter:
    """Submits batches. `doubtful` are the names of which a job may exist."""

    def __init__(
        self,
        connection: Connection,
        api: Api,
        dialect: Dialect,
        request: Request,
        limits: Limits,
        lookout: Lookout,
        logs: Logs,
        nodes: Nodes,
    ) -> None:
        """Nothing is submitted yet."""
        self.doubtful: set[str] = set()
        self.waits = ""  # why submitting has to wait, in the scheduler's words
        self._connection = connection
        self._options: SchedulerOptions = connection.options
        self._api = api
        self._dialect = dialect
        self._request = request
        self._limits = limits
        self._lookout = lookout
        self._logs = logs
        self._nodes = nodes
        self._unknown_words: dict[str, int] = {}

    def submit(self, batch: Batch) -> str:
        """The job id. Raises SubmitRefused, BatchTooLarge, SubmitUnknown."""
        self._check_room(batch)
        submission = self._submission(batch)
        self._lookout.acted()
        try:
            job_id = self._api.submit(submission)
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
        """Raises SubmitRefused while the limits leave no room: the scheduler itself might let us wait for ever."""
        if batch.size > self._limits.batch:
            raise BatchTooLarge(
                f"{self._dialect.name} takes {self._limits.batch} tasks in an array, this one has {batch.size}"
            )
        if self._lookout.there + batch.size > self._limits.submitted:
            self._ask(self._lookout.look_if_old)  # nothing else looks when none of our own jobs is there
        there = self._lookout.there
        if there + batch.size > self._limits.submitted:
            self.waits = (
                f"{self._dialect.name} takes {self._limits.submitted} jobs of this user at one time; "
                f"{there} are there"
            )
            raise SubmitRefused(self.waits, FailureClass.POLICY)

    def _ask(self, question: Callable[[], object]) -> None:
        try:
            question()
        except (Unreachable, NoAnswer, Refused) as error:
            raise SubmitRefused(str(error), FailureClass.POLICY) from error

    def _submission(self, batch: Batch) -> Submission:
        """Raises SubmitRefused when our own folder cannot be written: no job could tell anything."""
        script = self._connection.state_dir / SCRIPT
        try:
            if not script.exists() or script.read_text() != self._dialect.script:
                script.write_text(self._dialect.script)
            folder = self._logs.prepare(batch.name)
        except OSError as error:
            raise SubmitRefused(
                f"cannot write to {self._connection.state_dir}: {error}. Mend that, or set "
                "JOBMON__SERVER__DATA_DIR to a folder that all nodes share",
                FailureClass.POLICY,
            ) from error
        options = self._request_options(batch)
        limit = math.inf if batch.resources.runtime_seconds is None else batch.resources.runtime_seconds
        most_late = TIGHT_SHARE * limit if self._dialect.is_tight(options) else math.inf
        words = [
            *self._connection.worker_argv,
            f"--batch-id={batch.batch_id}",
            *self._dialect.index_words,
            f"--start-wait={min(self._connection.worker.start_wait_seconds, limit / 4):g}",
            f"--reuse={min(self._options.reuse_seconds, most_late):g}",
        ]
        return Submission(
            name=batch.name,
            size=batch.size,
            script=str(script),
            arguments=words,
            log_pattern=self._dialect.log_path(folder),
            options=options,
            requeue=self._options.requeue,
            singleton=batch.look_first or batch.name in self.doubtful,
        )

    def _request_options(self, batch: Batch) -> Mapping[str, str]:
        """Raises SubmitRefused."""
        try:
            return self._request(batch.resources, list(self._nodes.avoided()))
        except Refused as error:
            is_fatal = self._dialect.meaning(str(error)) is Meaning.FATAL
            raise SubmitRefused(str(error), FailureClass.FATAL if is_fatal else FailureClass.POLICY) from error
        except (Unreachable, NoAnswer) as error:
            raise SubmitRefused(str(error), FailureClass.POLICY) from error

    def _refused(self, batch: Batch, words: str) -> NoReturn:
        """Raises what follows from the scheduler's words."""
        found = self._dialect.meaning(words)
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
