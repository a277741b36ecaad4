"""DRMAA in a child process: it must start with an environment of its own, and a frozen call holds all of Python.

A process that did not answer is killed, and the next one knows nothing of what was submitted before it.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from jobmon.core.scheduler.answers import Failed
from jobmon.core.scheduler.library import LibraryProcess, Source
from jobmon.core.scheduler.refusals import Meaning
from jobmon.core.scheduler.shapes import NoAnswer, Refused, Unreachable
from jobmon_drmaa.commands import ANSWER_SECONDS, environment
from jobmon_drmaa.drmaa_child import AskEnded, Question, Submit
from jobmon_drmaa.options import Options
from jobmon_drmaa.refusals import in_short, meaning

PARTING_SECONDS = 2.0  # for a session to sign off
# libdrmaa brings libjemalloc, which needs more static TLS than glibc keeps for libraries that come late.
TUNABLE = "glibc.rtld.optional_static_tls=2048"
DEBIAN = Path("/usr/lib/gridengine-drmaa/lib")
T = TypeVar("T")


class Drmaa:
    """Asks DRMAA. Used from one thread."""

    def __init__(self, options: Options) -> None:
        """Nothing is started yet."""
        environment = child_environment(options)
        source = Source("jobmon_drmaa.drmaa_child", "DRMAA", lambda: environment, in_short)
        self._process = LibraryProcess(source, options.answer_seconds or ANSWER_SECONDS, PARTING_SECONDS)

    def version(self) -> str:
        """What DRMAA says of itself."""
        return self._process.version()

    def submit(self, submission: Submit) -> str:
        """`runBulkJobs`; the job number."""
        return self._ask(submission, str)

    def ended(self, jobs: Sequence[str]) -> dict[str, bool]:
        """Those of these jobs (`12.3`) that this session knows to have ended, and whether it calls them failed."""
        if self._process.pid is None:
            return {}
        return self._ask(AskEnded(jobs), dict[str, bool])

    def close(self) -> None:
        """Sign off, and end the process."""
        self._process.close()

    def _ask(self, question: Question, answers: type[T]) -> T:
        """DRMAA's answer. Raises Unreachable, NoAnswer, or Refused with its words.

        A session that has lost its qmaster may never find it again, a new one does.
        """
        answer = self._process.ask(question, answers)
        if not isinstance(answer, Failed):
            return answer
        error = _error(answer)
        if not isinstance(error, Refused):
            self._process.kill()
        raise error


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
        else f"DRMAA: {_WORDS.get(str(failed.code), '')}{words}"
    )
    match meaning(text):
        case Meaning.UNREACHABLE:
            return Unreachable(text)
        case Meaning.UNCLEAR | Meaning.UNKNOWN:
            return NoAnswer(text)
    return Refused(text)
