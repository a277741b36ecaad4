"""squeue: what the controller remembers, one line a record."""

import pwd
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from fakes.scheduler.call import Answer, Call, Refusal
from fakes.slurm import options, references, states
from fakes.slurm.controller import Controller
from fakes.slurm.records import Part
from fakes.slurm.squeue_fields import FIELDS, HEADS, Look, state_of

VALUES = (
    "jobs name user states format Format account partition qos sort nodelist steps licenses clusters reservation"
)
FLAGS = "noheader array all me long start version only-job-state hide"
SHORT = (
    "j:jobs n:name u:user t:states o:format O:Format A:account p:partition q:qos S:sort w:nodelist M:clusters "
    "hnoheader rarray aall llong Vversion"
)
USUAL = "%.18i %.9P %.8j %.8u %.2t %.10M %.6D %R"
UNKNOWN_JOB = "slurm_load_jobs error: Invalid job id specified"


def squeue(slurm: Controller, call: Call) -> Answer:
    """Print what is asked for."""
    given, _ = options.read("squeue", call.rest, VALUES, FLAGS, SHORT)
    if "version" in given:
        return Answer(f"slurm-wlm {slurm.settings.version}\n")
    format_ = given.get("format") or call.environment.get("SQUEUE_FORMAT") or USUAL
    look = Look(slurm.clock.now(), call.environment)
    chosen = _chosen(slurm, given, look)
    template = _template(format_)
    wanted = _wanted(slurm, given, call)
    records = [part for part in chosen if wanted(part)]
    if "array" in given:
        records = [single for part in records for single in _singles(part, look)]
    lines = [] if "noheader" in given else ["".join(text or HEADS[letter] for text, letter, _ in template)]
    lines += [
        "".join(text or cut(FIELDS[letter](part, look)) for text, letter, cut in template) for part in records
    ]
    return Answer("".join(f"{line}\n" for line in lines))


def _chosen(slurm: Controller, given: dict[str, str], look: Look) -> Iterator[Part]:
    if not given.get("jobs"):
        return slurm.records()
    try:
        asked = references.read(references.split(given["jobs"]))
    except ValueError as error:
        raise Refusal(f"squeue: error: Invalid job id: {error}") from None
    found = [part for reference in asked for part in reference.records(slurm) if slurm.is_known(part)]
    if not found and len({reference.job_id for reference in asked}) == 1:  # more than one are only filtered
        raise Refusal(UNKNOWN_JOB)
    for reference in asked:
        for part in reference.records(slurm) if reference.tasks is not None else ():
            look.only.setdefault(part, set()).update(reference.tasks or ())
    return iter(dict.fromkeys(found))


def _wanted(slurm: Controller, given: dict[str, str], call: Call) -> Callable[[Part], bool]:
    users = [call.user] if "me" in given else [_user(name) for name in _list(given, "user")]
    names, partitions, accounts = (_list(given, name) for name in ("name", "partition", "account"))
    chosen = [states.LONG.get(name.upper(), name.upper()) for name in _list(given, "states")]
    unknown = [name for name in chosen if name != "ALL" and name not in states.LONG.values()]
    if unknown:
        raise Refusal(f"squeue: error: Invalid job state specified: {unknown[0]}")

    def wanted(part: Part) -> bool:
        asked = part.job.submission
        shown = state_of(part)
        fits = shown in chosen or "ALL" in chosen if chosen else not part.over or part.completing
        return (
            fits
            and (not users or asked.user in users)
            and (not names or asked.name in names)
            and (not partitions or asked.partition in partitions)
            and (not accounts or asked.account in accounts)
        )

    return wanted


def _list(given: dict[str, str], name: str) -> list[str]:
    return [item for item in given.get(name, "").split(",") if item]


def _user(name: str) -> str:
    try:
        return pwd.getpwuid(int(name)).pw_name if name.isdigit() else name
    except KeyError:
        raise Refusal(f"squeue: error: Invalid user: {name}") from None


def _singles(part: Part, look: Look) -> Iterator[Part]:
    """A line for each task of what has not been split."""
    if part.job.is_array and part.index is None:
        for index in look.pending(part):
            yield replace(part, index=index)
    else:
        yield part


def _template(format_: str) -> list[tuple[str, str, Callable[[str], str]]]:
    """(literal text, "", -) or ("", letter, what makes it fit)."""
    pieces: list[tuple[str, str, Callable[[str], str]]] = []
    end = 0
    for found in re.finditer(r"%(\.?)(\d*)([A-Za-z])", format_):
        if found.start() > end:
            pieces.append((format_[end : found.start()], "", str))
        letter = found[3]
        if letter not in FIELDS:
            raise Refusal(f"squeue: error: Invalid job format specification: {letter}")
        pieces.append(("", letter, _fit(found[1], int(found[2] or 0))))
        end = found.end()
    return [*pieces, (format_[end:], "", str)] if format_[end:] else pieces


def _fit(dot: str, width: int) -> Callable[[str], str]:
    if not width:
        return str
    return lambda value: value[:width].rjust(width) if dot else value[:width].ljust(width)
