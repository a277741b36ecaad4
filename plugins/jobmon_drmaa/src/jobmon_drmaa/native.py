"""Grid Engine's words for a job: DRMAA's native specification, and expressions for `qdel`."""

from collections.abc import Iterator

from jobmon.core.scheduler.indices import format_indices
from jobmon.core.scheduler.shapes import Submission, Tasks
from jobmon_drmaa.text import FIRST


def specification(submission: Submission, verify: bool) -> str:
    """What DRMAA itself has no words for. Names and numbers of tasks are not among it: `-N` and `-t` are ignored.

    verify  refuse a job that no queue can ever run, were it empty; queues that are down or disabled count
    """
    words = [f"-w {'e' if verify else 'n'}", f"-r {'y' if submission.requeue else 'n'}"]
    if submission.singleton:
        words.append(f"-hold_jid {submission.name}")
    words += [f"-{name} {value}".rstrip() for name, value in submission.options.items()]
    return " ".join(words)


def expressions(tasks: Tasks) -> Iterator[str]:
    """`7`, `7.2-4:1`, `7.6`: one for each run of indices."""
    for number, indices in tasks.items():
        if indices is None:
            yield number
            continue
        for run in format_indices(index + FIRST for index in indices).split(","):
            if run:
                yield f"{number}.{run}"
