"""The words of qsub, and job ids as qstat and qdel take them."""

import getopt
import re
from collections.abc import Sequence

from fake_pbs.jobs import Asked, Subjob, seconds

UNKNOWN_JOB = 153


class Refused(Exception):
    """What a command writes before it fails."""

    def __init__(self, words: str, code: int = 1) -> None:
        super().__init__(words)
        self.code = code


def asked(words: Sequence[str], user: str, most_cores: int) -> Asked:
    """What qsub is told; everything that this plugin says, nothing else."""
    try:
        options, script = getopt.gnu_getopt(list(words), "+N:J:o:j:k:q:l:r:A:S:")
    except getopt.GetoptError as error:
        raise Refused(f"illegal option: {error}", 2) from None
    given = dict(options)
    resources = dict(part.split("=", 1) for part in given.get("-l", "").split(",") if part)
    chunk = dict(part.split("=", 1) for part in resources.get("select", "1").split(":")[1:])
    cores = int(chunk.get("ncpus", 1))
    if given.get("-q", "workq") != "workq":
        raise Refused("Unknown queue", 170)
    if cores > most_cores:
        raise Refused("Job violates queue and/or server resource limits", 188)
    if not re.fullmatch(r"[A-Za-z0-9_.+-]{1,230}", given["-N"]):
        raise Refused("illegal -N value", 2)
    walltime = resources.get("walltime")
    return Asked(
        name=given["-N"],
        user=user,
        script=script,
        output=given["-o"],
        queue="workq",
        indices=_indices(given["-J"]),
        cores=cores,
        walltime_seconds=seconds(walltime) if walltime else None,
    )


def _indices(text: str) -> range:
    found = re.fullmatch(r"(\d+)-(\d+)(?::(\d+))?", text)
    if not found or int(found[1]) >= int(found[2]):
        raise Refused("illegal -J value", 2)
    return range(int(found[1]), int(found[2]) + 1, int(found[3] or 1))


def chosen(subjobs: Sequence[Subjob], words: Sequence[str]) -> list[Subjob]:
    """Those that ids like 7[], 7[3], 7[1-2,5] name; all without any. An unknown id is an error."""
    ids = [word for word in words if word[0].isdigit()]
    found: dict[str, Subjob] = {} if ids else {one.id: one for one in subjobs}
    for id in ids:
        number, _, rest = id.partition("[")
        wanted = {index for part in rest.partition("]")[0].split(",") if part for index in _span(part)}
        these = [one for one in subjobs if one.number == int(number) and (not wanted or one.index in wanted)]
        if not these:
            raise Refused(f"Unknown Job Id {id}", UNKNOWN_JOB)
        found.update((one.id, one) for one in these)
    return list(found.values())


def _span(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)
