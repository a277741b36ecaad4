"""The process in which DRMAA lives, and what it can be asked. Nothing else imports the package drmaa.

libdrmaa allows one session a process, and knows only what was submitted in it. Two things it knows better than
anybody else: whether a job was deleted while it waited, of which accounting has no record, and whether it was
deleted while it ran, which accounting does not tell from any other SIGKILL.
"""

import importlib
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import msgspec

from jobmon.core.scheduler.answers import Failed, answer_questions

LIBRARY_HELP = (
    "libdrmaa cannot be loaded ({error}). Install it (Debian: gridengine-drmaa1.0; elsewhere it is libdrmaa.so "
    "below $SGE_ROOT/lib), and name it by the variable DRMAA_LIBRARY_PATH or the option library"
)


class Submit(msgspec.Struct, frozen=True, tag="submit"):
    """Submit an array of tasks 1..size."""

    name: str
    size: int
    command: str
    arguments: Sequence[str]
    output: str
    native: str


class AskEnded(msgspec.Struct, frozen=True, tag="ended"):
    """Which of these jobs of this session have ended, and of each whether it has failed.

    Failed are those that were deleted, that could not be started, and that ended with exit code 100.
    """

    jobs: Sequence[str]


Question: TypeAlias = Submit | AskEnded


def main() -> None:
    """Answer until there are no more questions."""
    library = answer_questions(_started, _result, _failed)
    if library is not None:
        library.session.exit()


class _Library(NamedTuple):
    drmaa: Any  # the package
    session: Any


def _started() -> tuple[_Library, str]:
    drmaa = _imported()
    session = drmaa.Session()
    session.initialize()
    return _Library(drmaa, session), f"{session.drmaaImplementation} ({session.drmsInfo})"


def _imported() -> Any:
    """The package, which loads libdrmaa."""
    try:
        return importlib.import_module("drmaa")
    except ModuleNotFoundError as error:
        if error.name != "drmaa":
            raise
        raise ImportError(f"the package drmaa is not installed for {sys.executable}: pip install drmaa") from None
    except (OSError, RuntimeError) as error:  # from ctypes; from drmaa, which has not found any
        raise ImportError(LIBRARY_HELP.format(error=str(error).replace("\n", " "))) from error


def _failed(error: Exception) -> Failed:
    module = type(error).__module__
    kind = type(error).__name__ if module.partition(".")[0] == "drmaa" else ""
    if kind or isinstance(error, ImportError):
        return Failed(str(error), kind)
    return Failed(f"{error} ({type(error).__name__})")


def _result(library: _Library, line: bytes) -> object:
    drmaa, session = library
    question: Question = msgspec.json.decode(line, type=Question)
    match question:
        case Submit():
            return _submit(session, question)
        case AskEnded(jobs=jobs):
            states = {job: _state(drmaa, session, job) for job in jobs}
            over = (drmaa.JobState.DONE, drmaa.JobState.FAILED)
            return {job: state == drmaa.JobState.FAILED for job, state in states.items() if state in over}


def _submit(session: Any, question: Submit) -> str:
    """The job number. Even one task is an array, so that all of them have an index."""
    template = session.createJobTemplate()
    try:
        template.remoteCommand = question.command
        template.args = list(question.arguments)
        template.jobName = question.name
        template.workingDirectory = "/"
        template.outputPath = f":{question.output}"
        template.joinFiles = True
        template.blockEmail = True
        template.nativeSpecification = question.native
        jobs: Sequence[str] = session.runBulkJobs(template, 1, question.size, 1)
    finally:
        session.deleteJobTemplate(template)
    return jobs[0].partition(".")[0]


def _state(drmaa: Any, session: Any, job: str) -> str | None:
    """None for what this session does not know."""
    try:
        return str(session.jobStatus(job))
    except drmaa.InvalidJobException:
        return None


if __name__ == "__main__":
    main()
