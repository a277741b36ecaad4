"""pyslurm as a back end, in a child process: its calls hold all of Python still, its start can end the process.

Every question has a deadline. A child that has not answered by then is killed; the next question gets a fresh one.

What goes which way, and why, for pyslurm 25.11.2:

    submit         pyslurm: 4 to 10 ms, where sbatch takes 6 to 30. By sbatch when pyslurm has no words for an
                   option (ATTRIBUTES in pyslurm_child.py): a signal, for one, is a ValueError.
    queue          pyslurm. It loads the jobs of all users; the child passes on those of one.
    partitions, node_addresses
                   pyslurm.
    config         the commands: pyslurm has names of its own for the parameters.
    cancel         the commands: pyslurm's ids are whole numbers, so that a waiting task (`44_5`) of an array has
                   none by which it could be cancelled.
    history        the commands: pyslurm keeps one record for each job id, so that what happened before Slurm put a
                   job back into its queue is lost.
    submit_limit   the commands: pyslurm's associations are unfinished.
"""

import os
from collections.abc import Mapping, Sequence
from typing import TypeVar

from jobmon.core.scheduler.answers import Failed
from jobmon.core.scheduler.library import LibraryProcess, Source
from jobmon.core.scheduler.refusals import Meaning
from jobmon.core.scheduler.shapes import NoAnswer, Queued, Record, Refused, Submission, Unreachable
from jobmon_slurm.back_end import Partition
from jobmon_slurm.commands import PASSED_ON, Commands
from jobmon_slurm.pyslurm_child import (
    AskNodes,
    AskPartitions,
    AskQueue,
    Question,
    Submit,
    can_say,
)
from jobmon_slurm.refusals import in_short, meaning

T = TypeVar("T")

# slurm_errno.h: what follows from errors of the connection, whatever their words.
_NOT_SENT = frozenset((1800,))
_UNCLEAR = frozenset((1801, 1802, 1803, 5004, 5005))
# slurm_errno.c: the words of errors that come without any.
_WORDS = {
    1800: "Unable to contact slurm controller (connect failure)",
    2000: "Invalid partition name specified",
    2014: "Requested node configuration is not available",
    2017: "Invalid job id specified",
    2038: "Job dependency problem",
    5004: "Socket timed out on send/recv operation",
}


class Pyslurm:
    """Asks pyslurm, and the commands beside it for what pyslurm cannot do.

    answer_seconds  how long an answer may take, the start of pyslurm likewise
    """

    def __init__(self, commands: Commands, conf: str = "", answer_seconds: float = 30) -> None:
        """Nothing is started yet."""
        self._commands = commands
        self._passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        self._passed_on |= {"LC_ALL": "C.UTF-8"}
        if conf:
            self._passed_on["SLURM_CONF"] = conf
        source = Source("jobmon_slurm.pyslurm_child", "pyslurm", self._environment, in_short)
        self._process = LibraryProcess(source, answer_seconds)

    @property
    def answer_seconds(self) -> float:
        """How long an answer may take."""
        return self._process.answer_seconds

    @answer_seconds.setter
    def answer_seconds(self, seconds: float) -> None:
        self._process.answer_seconds = seconds

    def version(self) -> str:
        """Of pyslurm, whose first two parts are those of the Slurm that it is made for."""
        return self._process.version()

    def config(self) -> Mapping[str, str]:
        """By the commands."""
        return self._commands.config()

    def partitions(self) -> list[Partition]:
        """`Partitions.load`, and `Nodes.load` for what their nodes have."""
        return self._ask(AskPartitions(), list[Partition])

    def node_addresses(self) -> list[str]:
        """`Nodes.load`."""
        return self._ask(AskNodes(), list[str])

    def submit(self, submission: Submission) -> str:
        """`JobSubmitDescription.submit`, or `sbatch` for what that cannot express.

        pyslurm gives a job every SLURM_ variable that it sees itself: the child has none but ours.
        """
        if not can_say(submission):
            return self._commands.submit(submission)
        environment = {name: value for name, value in self._passed_on.items() if not name.startswith("SLURM_")}
        return self._ask(Submit(submission, environment), str, "Batch job submission failed: ")

    def queue(self, user: str) -> list[Queued]:
        """`Jobs.load`."""
        return self._ask(AskQueue(user), list[Queued])

    def history(self, user: str, jobs: Sequence[str], names: Sequence[str], hours: int) -> list[Record]:
        """By the commands."""
        return self._commands.history(user, jobs, names, hours)

    def submit_limit(self, user: str) -> int | None:
        """By the commands."""
        return self._commands.submit_limit(user)

    def cancel(self, expressions: Sequence[str]) -> None:
        """By the commands."""
        self._commands.cancel(expressions)

    def close(self) -> None:
        """End the process."""
        self._process.close()

    def _ask(self, question: Question, answers: type[T], doing: str = "") -> T:
        """pyslurm's answer. Raises Unreachable, NoAnswer, or Refused with Slurm's words after `doing`."""
        answer = self._process.ask(question, answers)
        if isinstance(answer, Failed):
            raise _error(answer, doing)
        return answer

    def _environment(self) -> dict[str, str]:
        """SLURM_BITSTR_LEN: else the C library cuts the list of waiting tasks short."""
        path = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
        return {**self._passed_on, **path, "SLURM_BITSTR_LEN": "0"}


def _number(failed: Failed) -> int:
    """Slurm's number of the error, 0 if there is none."""
    return failed.code if isinstance(failed.code, int) else 0


def _error(failed: Failed, doing: str) -> Unreachable | NoAnswer | Refused:
    """What Slurm's error is to us."""
    words = in_short(failed.words or _WORDS.get(_number(failed), f"Slurm's error {failed.code}"))
    text = f"pyslurm: {doing if failed.code is not None else ''}{words}"
    if _number(failed) in _NOT_SENT:
        return Unreachable(text)
    if _number(failed) in _UNCLEAR:
        return NoAnswer(text)
    match meaning(words):
        case Meaning.UNREACHABLE:
            return Unreachable(text)
        case Meaning.UNCLEAR:
            return NoAnswer(text)
    return Refused(text)


def same_release(one: str, other: str) -> bool:
    """Whether two versions agree in year and month: `25.11.2` and `25.11.7` do."""
    return one.split(".")[:2] == other.split(".")[:2]
