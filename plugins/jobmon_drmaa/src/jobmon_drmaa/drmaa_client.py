"""DRMAA in a child process: it must start with an environment of its own, and a frozen call holds all of Python.

Every question has a deadline. A child that has not answered by then is killed; the next question gets a fresh one,
which knows nothing of what was submitted before it.
"""

import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from jobmon.core.scheduler.refusals import Meaning
from jobmon.core.scheduler.shapes import NoAnswer, Refused, Unreachable
from jobmon_drmaa.commands import ANSWER_SECONDS, environment
from jobmon_drmaa.drmaa_child import Answer, AskEnded, Failed, Question, Submit
from jobmon_drmaa.options import Options
from jobmon_drmaa.refusals import in_short, meaning

TAIL_BYTES = 2000  # of what the C library printed, in an error
PARTING_SECONDS = 2.0  # for a session to sign off
# libdrmaa brings libjemalloc, which needs more static TLS than glibc keeps for libraries that come late.
TUNABLE = "glibc.rtld.optional_static_tls=2048"
DEBIAN = Path("/usr/lib/gridengine-drmaa/lib")
T = TypeVar("T")


class Drmaa:
    """Asks DRMAA. Used from one thread."""

    def __init__(self, options: Options) -> None:
        """Nothing is started yet."""
        self._seconds = options.answer_seconds or ANSWER_SECONDS
        self._environment = child_environment(options)
        self._child: _Child | None = None

    def version(self) -> str:
        """What DRMAA says of itself."""
        return self._ready().version

    def submit(self, submission: Submit) -> str:
        """`runBulkJobs`; the job number."""
        return self._ask(submission, str)

    def ended(self, jobs: Sequence[str]) -> dict[str, bool]:
        """Those of these jobs (`12.3`) that this session knows to have ended, and whether it calls them failed."""
        if self._child is None or self._child.is_over():
            return {}
        return self._ask(AskEnded(jobs), dict[str, bool])

    def close(self) -> None:
        """Sign off, and end the child."""
        if self._child is not None:
            self._child.end(PARTING_SECONDS)
            self._child = None

    def _ask(self, question: Question, answers: type[T]) -> T:
        """DRMAA's answer. Raises Unreachable, NoAnswer, or Refused with its words.

        A session that has lost its qmaster may never find it again, a new one does.
        """
        child = self._ready()
        try:
            answer = child.ask(question, self._seconds)
            if isinstance(answer, Failed):
                raise _error(answer)
            return msgspec.json.decode(answer.result, type=answers)
        except (Unreachable, NoAnswer):
            child.end(0)
            self._child = None
            raise

    def _ready(self) -> "_Child":
        """The child, a fresh one if need be. Raises Unreachable."""
        if self._child is None or self._child.is_over():
            self.close()
            self._child = self._started()
        return self._child

    def _started(self) -> "_Child":
        try:
            child = _Child(self._environment)
        except OSError as error:
            raise Unreachable(f"cannot start a process for DRMAA: {error.strerror}") from error
        try:
            child.start(self._seconds)
        except Unreachable:
            child.end(0)
            raise
        return child


def child_environment(options: Options) -> dict[str, str]:
    """Of the child. PYTHONPATH too: it may be what finds the package drmaa."""
    known = environment(options)
    path = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    library = options.library or os.environ.get("DRMAA_LIBRARY_PATH", "") or _library(known.get("SGE_ROOT", ""))
    named = {"DRMAA_LIBRARY_PATH": library} if library else {}
    tunables = [one for one in os.environ.get("GLIBC_TUNABLES", "").split(":") if one]
    tunables += [TUNABLE] if TUNABLE not in tunables else []
    return {**known, **path, **named, "GLIBC_TUNABLES": ":".join(tunables)}


def _library(root: str) -> str:
    """Where libdrmaa usually is; "" leaves it to the linker. A root may hold those of other machines too."""
    there = [*Path(root, "lib").glob("*/libdrmaa.so*")] if root else []
    mine = [path for path in there if os.uname().machine.replace("x86_64", "amd64") in path.parent.name]
    found = sorted(mine) or sorted(there) or sorted(DEBIAN.glob("libdrmaa.so*"))
    return str(found[0]) if found else ""


class _Child:
    """A process of drmaa_child, asked one thing at a time."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.version = ""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process is there
        self._answered = 0  # bytes of errors that belong to earlier questions
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "jobmon_drmaa.drmaa_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=0,
            env=environment,
            cwd="/",
            start_new_session=True,
        )

    def start(self, seconds: float) -> None:
        """Wait until the session is there. Raises Unreachable: nothing was asked of Grid Engine."""
        try:
            answer = self._read(seconds, " while it started")
        except NoAnswer as error:
            raise Unreachable(str(error)) from None
        if isinstance(answer, Failed):
            raise Unreachable(f"DRMAA: {in_short(answer.words)}")
        self.version = msgspec.json.decode(answer.result, type=str)

    def ask(self, question: Question, seconds: float) -> Answer:
        """The answer. Raises Unreachable when the question did not arrive, NoAnswer when there is no answer."""
        assert self._process.stdin is not None
        self._answered = os.fstat(self._errors.fileno()).st_size
        try:
            self._process.stdin.write(msgspec.json.encode(question) + b"\n")
        except BrokenPipeError:
            raise Unreachable(f"DRMAA's process ended before it was asked{self._said()}") from None
        return self._read(seconds)

    def is_over(self) -> bool:
        """Whether the process has ended by itself."""
        return self._process.poll() is not None

    def end(self, seconds: float) -> None:
        """Give it so long to sign off, then kill it: a frozen call hears nothing else."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdout, self._errors):
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
                    raise NoAnswer(f"DRMAA did not answer within {seconds:g} s{when}{self._said()}")
                piece = os.read(pipe, 2**20)
                if not piece:
                    raise NoAnswer(f"DRMAA's process ended{when}{self._said()}")
                line += piece
        try:
            answer: Answer = msgspec.json.decode(line, type=Answer)
        except msgspec.MsgspecError as error:
            raise NoAnswer(f"DRMAA's process wrote {bytes(line[:200])!r}{when}, no answer: {error}") from None
        return answer

    def _said(self) -> str:
        """The end of what was printed during this question."""
        begin = max(self._answered, os.fstat(self._errors.fileno()).st_size - TAIL_BYTES)
        said = os.pread(self._errors.fileno(), TAIL_BYTES, begin).decode(errors="replace")
        return f": {in_short(said)}"


# DRMAA's own exceptions, in the words of the table of refusals; those that are not here tell nothing for certain.
_WORDS = {
    "AuthorizationException": "denied: ",
    "DeniedByDrmException": "denied: ",
    "InvalidAttributeFormatException": "invalid: ",
    "InvalidAttributeValueException": "invalid: ",
    "ConflictingAttributeValuesException": "invalid: ",
    "InvalidArgumentException": "invalid: ",
    "TryLaterException": "try later: ",
}


def _error(failed: Failed) -> Unreachable | NoAnswer | Refused:
    """What DRMAA's error is to us. Grid Engine's words count first, for its exceptions are few."""
    words = in_short(failed.words)
    text = (
        f"DRMAA: {words}"
        if meaning(words) is not Meaning.UNKNOWN
        else f"DRMAA: {_WORDS.get(failed.kind, '')}{words}"
    )
    match meaning(text):
        case Meaning.UNREACHABLE:
            return Unreachable(text)
        case Meaning.UNCLEAR | Meaning.UNKNOWN:
            return NoAnswer(text)
    return Refused(text)
