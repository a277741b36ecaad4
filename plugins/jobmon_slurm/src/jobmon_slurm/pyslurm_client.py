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
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from jobmon.core.scheduler.refusals import Meaning
from jobmon.core.scheduler.shapes import NoAnswer, Queued, Record, Refused, Submission, Unreachable
from jobmon_slurm.back_end import Partition
from jobmon_slurm.commands import PASSED_ON, Commands
from jobmon_slurm.pyslurm_child import (
    Answer,
    AskNodes,
    AskPartitions,
    AskQueue,
    Failed,
    Question,
    Submit,
    can_say,
)
from jobmon_slurm.refusals import in_short, meaning

TAIL_BYTES = 2000  # of what the C library printed, in an error
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
        self.answer_seconds = answer_seconds
        self._commands = commands
        self._passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        self._passed_on |= {"LC_ALL": "C.UTF-8"}
        if conf:
            self._passed_on["SLURM_CONF"] = conf
        self._child: _Child | None = None

    def version(self) -> str:
        """Of pyslurm, whose first two parts are those of the Slurm that it is made for."""
        return self._ready().version

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
        """End the child."""
        if self._child is not None:
            self._child.end()
            self._child = None

    def _ask(self, question: Question, answers: type[T], doing: str = "") -> T:
        """pyslurm's answer. Raises Unreachable, NoAnswer, or Refused with Slurm's words after `doing`."""
        child = self._ready()
        try:
            answer = child.ask(question, self.answer_seconds)
        except (Unreachable, NoAnswer):
            self.close()
            raise
        if isinstance(answer, Failed):
            raise _error(answer, doing)
        return msgspec.json.decode(answer.result, type=answers)

    def _ready(self) -> "_Child":
        """The child, a fresh one if need be. Raises Unreachable."""
        if self._child is None or self._child.is_over():
            self.close()
            self._child = self._started()
        return self._child

    def _started(self) -> "_Child":
        try:
            child = _Child(self._environment())
        except OSError as error:
            raise Unreachable(f"cannot start a process for pyslurm: {error.strerror}") from error
        try:
            child.start(self.answer_seconds)
        except Unreachable:
            child.end()
            raise
        return child

    def _environment(self) -> dict[str, str]:
        """SLURM_BITSTR_LEN: else the C library cuts the list of waiting tasks short."""
        path = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
        return {**self._passed_on, **path, "SLURM_BITSTR_LEN": "0"}


class _Child:
    """A process of pyslurm_child, asked one thing at a time."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.version = ""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process is there
        self._answered = 0  # bytes of errors that belong to earlier questions
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "jobmon_slurm.pyslurm_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=0,
            env=environment,
            cwd="/",
            start_new_session=True,
        )

    def start(self, seconds: float) -> None:
        """Wait until pyslurm is there. Raises Unreachable."""
        try:
            answer = self._read(seconds, " while it started")
        except NoAnswer as error:
            raise Unreachable(str(error)) from None
        if isinstance(answer, Failed):
            raise Unreachable(answer.words)
        self.version = msgspec.json.decode(answer.result, type=str)

    def ask(self, question: Question, seconds: float) -> Answer:
        """The answer. Raises Unreachable when the question did not arrive, NoAnswer when there is no answer."""
        assert self._process.stdin is not None
        self._answered = os.fstat(self._errors.fileno()).st_size
        try:
            self._process.stdin.write(msgspec.json.encode(question) + b"\n")
        except BrokenPipeError:
            raise Unreachable(f"pyslurm ended before it was asked{self._said()}") from None
        return self._read(seconds)

    def is_over(self) -> bool:
        """Whether the process has ended by itself."""
        return self._process.poll() is not None

    def end(self) -> None:
        """Kill it: a frozen call hears nothing else."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            if pipe is not None:
                pipe.close()

    def _read(self, seconds: float, when: str = "") -> Answer:
        assert self._process.stdout is not None
        deadline = time.monotonic() + seconds
        pipe, line = self._process.stdout.fileno(), bytearray()
        with selectors.DefaultSelector() as ready:
            ready.register(pipe, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not ready.select(max(0.0, deadline - time.monotonic())):
                    raise NoAnswer(f"pyslurm did not answer within {seconds:g} s{when}{self._said()}")
                piece = os.read(pipe, 2**20)
                if not piece:
                    raise NoAnswer(f"pyslurm ended{when}{self._said()}")
                line += piece
        try:
            answer: Answer = msgspec.json.decode(line, type=Answer)
        except msgspec.MsgspecError as error:
            raise NoAnswer(f"pyslurm's process wrote {bytes(line[:200])!r}{when}, no answer: {error}") from None
        return answer

    def _said(self) -> str:
        """The end of what was printed during this question."""
        begin = max(self._answered, os.fstat(self._errors.fileno()).st_size - TAIL_BYTES)
        said = os.pread(self._errors.fileno(), TAIL_BYTES, begin).decode(errors="replace")
        return f": {in_short(said)}"


def _error(failed: Failed, doing: str) -> Unreachable | NoAnswer | Refused:
    """What Slurm's error is to us."""
    words = in_short(failed.words or _WORDS.get(failed.errno or 0, f"Slurm's error {failed.errno}"))
    text = f"pyslurm: {doing if failed.errno is not None else ''}{words}"
    if failed.errno in _NOT_SENT:
        return Unreachable(text)
    if failed.errno in _UNCLEAR:
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
