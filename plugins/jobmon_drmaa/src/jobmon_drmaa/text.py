"""Reads what `qstat` and `qconf` write. What is no queue at all is NoAnswer: it must not pass for an empty one."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from xml.etree import ElementTree

from jobmon.core.scheduler.indices import parse_indices
from jobmon.core.scheduler.shapes import NoAnswer, Queued
from jobmon_drmaa.states import in_order

FIRST = 1  # what Grid Engine calls the first task of an array
REASON_LENGTH = 300

_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_USUAL = re.compile(
    r"because (it is full|of overload or full)|not contained in its hard queue list|Job is in (error|hold) state"
)
_ENDED = re.compile(r"has (registered|deleted) |does not exist|is already in deletion|already been deleted")
_ERROR = re.compile(r"error reason\s+(\d+):\s*(?:\d\d/\d\d/\d{4} [\d:.]+ )?(?:\[[^\]]*\]: )?(?:error: )?(.*)")


def version(output: str) -> str:
    """The first line of `qstat -help`."""
    return next(iter(output.split("\n")), "").strip()


def names(output: str) -> list[str]:
    """One a line, as of `qconf -sql`."""
    return [line.strip() for line in output.splitlines() if line.strip()]


def config(output: str) -> Mapping[str, str]:
    """Lines `name value` of sge_conf(5) or sched_conf(5); a backslash continues a line."""
    pairs = (line.partition(" ") for line in output.replace("\\\n", " ").splitlines())
    return {name: " ".join(value.split()) for name, _, value in pairs if name and not name.startswith("#")}


def whole(config: Mapping[str, str], name: str) -> int | None:
    """A limit of the configuration; None for 0, which is none."""
    word = config.get(name, "")
    return int(word) or None if re.fullmatch(r"[0-9]{1,18}", word) else None


def queue(output: str, user: str) -> list[Queued]:
    """The user's rows of `qstat -xml`; other users' come when a site's defaults ask for them.

    Indices are ours, from 0. A running row says when it started, a waiting one when it was submitted.
    """
    begin = output.find("<job_info")
    if begin < 0:
        raise NoAnswer(f"qstat -xml wrote no XML but {output.strip()[-300:]!r}")
    try:
        root = ElementTree.fromstring(_NOT_XML.sub("?", output[begin:]))
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        raise NoAnswer(f"qstat -xml wrote XML that is broken: {error}") from None
    return [_queued(job) for job in root.iter("job_list") if _word(job, "JB_owner") == user]


def _queued(job: ElementTree.Element) -> Queued:
    number, tasks = _word(job, "JB_job_number"), _word(job, "tasks")
    indices = parse_indices(tasks) if tasks else []
    if not re.fullmatch(r"[0-9]{1,18}", number) or indices is None:
        raise NoAnswer(f"qstat -xml has a job {number!r} with tasks {tasks!r}, which cannot be read")
    state = in_order(_word(job, "state"))
    return Queued(
        array_id=number,
        indices=[index - FIRST for index in indices if index >= FIRST],
        name=_word(job, "JB_name"),
        state=state,
        reason="held" if "h" in state else "",
        since=_word(job, "JB_submission_time") or _word(job, "JAT_start_time"),
        nodes=_word(job, "queue_name").partition("@")[2],
    )


def _word(job: ElementTree.Element, name: str) -> str:
    return (job.findtext(name) or "").strip()


class Told(NamedTuple):
    """What `qstat -j` says of the tasks of a job that are in error, and of those that wait."""

    error: str = ""
    waits: str = ""


def reasons(output: str) -> dict[str, Told]:
    """By job number. Tasks that only wait for their turn have no reason."""
    return {number: _told(lines) for number, lines in _jobs(output)}


def _jobs(output: str) -> Iterator[tuple[str, list[str]]]:
    """Number and lines of each job."""
    number, lines = "", list[str]()
    for line in output.splitlines():
        if found := re.fullmatch(r"job_number:\s+([0-9]{1,18})\s*", line):
            if number:
                yield number, lines
            number, lines = found[1], []
        else:
            lines.append(line)
    if number:
        yield number, lines


def _told(lines: list[str]) -> Told:
    errors = (found[2] for line in lines if (found := _ERROR.fullmatch(line.strip())))
    waits = (line for line in _scheduling(lines) if not _USUAL.search(line))
    return Told(_short(next(errors, "")), _short(next(waits, "")))


def _short(words: str) -> str:
    return " ".join(words.split())[:REASON_LENGTH]


def _scheduling(lines: list[str]) -> Iterator[str]:
    """What the scheduler says, a sentence a line, the first of them behind a key."""
    inside = False
    for line in lines:
        if line.startswith("scheduling info:"):
            inside = True
            yield line.partition(":")[2]
        elif inside and line.startswith(" "):
            yield line
        else:
            inside = False


def is_never_fine(said: str) -> bool:
    """A failed command has failed."""
    return False


def is_nothing_there(said: str) -> bool:
    """Whether a failed `qstat -j` or `qconf -spl` says no more than that there is nothing of the kind."""
    return bool(re.search(r"[Jj]obs do not exist|no parallel environment (list )?defined", said))


def is_all_ended(said: str) -> bool:
    """Whether a failed `qdel` says no more than that jobs are over, or about to be."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return all(_ENDED.search(line) for line in lines)
