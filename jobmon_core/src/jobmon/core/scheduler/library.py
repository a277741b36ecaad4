"""A scheduler's library in a process of its own: its calls may hold all of Python still, or end the process.

Every question has a deadline. A process that has not answered by then is killed; the next question gets another.
"""

import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

import msgspec

from jobmon.core.scheduler.answers import Answer, Failed
from jobmon.core.scheduler.shapes import NoAnswer, Unreachable

TAIL_BYTES = 2000  # of what the library printed, in an error
T = TypeVar("T")


class Source(NamedTuple):
    """What is run: a module that calls `answer_questions`.

    module    as for `python -m`
    name      of the library, in errors
    in_short  makes one line of what it printed
    """

    module: str
    name: str
    environment: Callable[[], Mapping[str, str]]  # asked at each start
    in_short: Callable[[str], str]


class LibraryProcess:
    """One process at a time, asked one thing at a time, from one thread.

    answer_seconds   how long an answer may take, the start likewise
    parting_seconds  for the library to sign off in when it is closed
    """

    def __init__(self, source: Source, answer_seconds: float, parting_seconds: float = 0) -> None:
        """Nothing is started yet."""
        self.answer_seconds = answer_seconds
        self._source = source
        self._parting_seconds = parting_seconds
        self._child: _Child | None = None

    def version(self) -> str:
        """What the library says of itself. Raises Unreachable."""
        return self._ready().version

    @property
    def pid(self) -> int | None:
        """Of the process that is there."""
        return None if self._child is None or self._child.is_over() else self._child.process.pid

    def ask(self, question: msgspec.Struct, answers: type[T]) -> T | Failed:
        """The library's answer.

        Raises Unreachable when the question did not arrive, NoAnswer when nobody knows what became of it.
        """
        child = self._ready()
        try:
            answer = child.ask(question, self.answer_seconds)
        except (Unreachable, NoAnswer):
            self.kill()
            raise
        return answer if isinstance(answer, Failed) else msgspec.json.decode(answer.result, type=answers)

    def close(self) -> None:
        """Let it sign off, and end it."""
        self._end(self._parting_seconds)

    def kill(self) -> None:
        """End it at once: a frozen call hears nothing else."""
        self._end(0)

    def _end(self, seconds: float) -> None:
        if self._child is not None:
            self._child.end(seconds)
            self._child = None

    def _ready(self) -> "_Child":
        """The process, a fresh one if need be. Raises Unreachable."""
        if self._child is None or self._child.is_over():
            self.kill()
            self._child = self._started()
        return self._child

    def _started(self) -> "_Child":
        try:
            child = _Child(self._source)
        except OSError as error:
            raise Unreachable(f"cannot start a process for {self._source.name}: {error.strerror}") from error
        try:
            child.start(self.answer_seconds)
        except Unreachable:
            child.end(0)
            raise
        return child


class _Child:
    """One process, from its start to its end."""

    def __init__(self, source: Source) -> None:
        self.version = ""
        self._source = source
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process is there
        self._answered = 0  # bytes of errors that belong to earlier questions
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", source.module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=0,
            env=source.environment(),
            cwd="/",
            start_new_session=True,
        )

    def start(self, seconds: float) -> None:
        """Wait until the library is there. Raises Unreachable: nothing was asked of the scheduler."""
        try:
            answer = self._read(seconds, " while it started")
        except NoAnswer as error:
            raise Unreachable(str(error)) from None
        if isinstance(answer, Failed):
            raise Unreachable(self._source.in_short(answer.words))
        self.version = msgspec.json.decode(answer.result, type=str)

    def ask(self, question: msgspec.Struct, seconds: float) -> Answer:
        """The answer. Raises Unreachable when the question did not arrive, NoAnswer when there is no answer."""
        assert self.process.stdin is not None
        self._answered = os.fstat(self._errors.fileno()).st_size
        try:
            self.process.stdin.write(msgspec.json.encode(question) + b"\n")
        except BrokenPipeError:
            raise Unreachable(f"{self._source.name} ended before it was asked{self._said()}") from None
        return self._read(seconds)

    def is_over(self) -> bool:
        """Whether the process has ended by itself."""
        return self.process.poll() is not None

    def end(self, seconds: float) -> None:
        """Give it so long to end by itself, then kill it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdout, self._errors):
            if pipe is not None:
                pipe.close()

    def _read(self, seconds: float, when: str = "") -> Answer:
        assert self.process.stdout is not None
        deadline = time.monotonic() + seconds
        name, pipe, line = self._source.name, self.process.stdout.fileno(), bytearray()
        with selectors.DefaultSelector() as ready:
            ready.register(pipe, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not ready.select(max(0.0, deadline - time.monotonic())):
                    raise NoAnswer(f"{name} did not answer within {seconds:g} s{when}{self._said()}")
                piece = os.read(pipe, 2**20)
                if not piece:
                    raise NoAnswer(f"{name} ended{when}{self._said()}")
                line += piece
        try:
            answer: Answer = msgspec.json.decode(line, type=Answer)
        except msgspec.MsgspecError as error:
            raise NoAnswer(f"{name} wrote {bytes(line[:200])!r}{when}, no answer: {error}") from None
        return answer

    def _said(self) -> str:
        """The end of what was printed during this question."""
        begin = max(self._answered, os.fstat(self._errors.fileno()).st_size - TAIL_BYTES)
        said = os.pread(self._errors.fileno(), TAIL_BYTES, begin).decode(errors="replace")
        return f": {self._source.in_short(said)}"
