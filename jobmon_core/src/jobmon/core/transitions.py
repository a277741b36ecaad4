"""The one table of legal moves.

Four kinds of things have a status: a task, a task instance (one attempt at a task), a workflow run and a
workflow. A row of `TABLE` says: this kind may go from `old` to `new`, by this verb, on the word of this
actor. Whatever is not a row is illegal. SQL takes its WHERE from `sources()`, the pictures in
docs/architecture.md come from `python -m jobmon.core.transitions`, and a test pins every pair.

Two things follow from the table without being rows of it. A status without a row that leaves it is final.
A report that finds its attempt already in a final status, or ahead of the report, is *late*: it is
counted and ignored, because networks repeat and reorder. A report that is neither a row nor late is refused.
"""

from collections.abc import Iterator
from functools import cache
from typing import Final, Literal, NamedTuple

Kind = Literal["task", "task_instance", "workflow_run", "workflow"]


class Move(NamedTuple):
    """One legal change of status."""

    kind: Kind
    old: str
    new: str
    verb: str
    actor: str


def _moves(kind: Kind, olds: str, new: str, verb: str, actor: str) -> Iterator[Move]:
    return (Move(kind, old, new, verb, actor) for old in olds)


TABLE: Final[tuple[Move, ...]] = (
    # A task. Its active statuses I, O, R follow those of its current attempt.
    *_moves("task", "G", "Q", "queue", "engine"),  # its gate opened
    *_moves("task", "G", "A", "queue", "engine"),  # opened, but the client has to compute its resources
    *_moves("task", "EA", "Q", "queue", "engine"),  # due again after an error; resources are ready
    *_moves("task", "Q", "I", "claim", "engine"),  # a slot is free: an attempt is created
    *_moves("task", "I", "O", "launch", "distributor"),
    *_moves("task", "IO", "R", "report", "worker"),
    *_moves("task", "IOR", "D", "report", "worker"),  # done without running before: its report came first
    *_moves("task", "IOR", "E", "report", "worker"),
    *_moves("task", "E", "A", "absorb", "engine"),  # resources are scaled before it is queued again
    *_moves("task", "EAQ", "F", "absorb", "engine"),  # attempts spent, or it can never work
    *_moves("task", "FEA", "G", "resume", "client"),  # its gate is still shut
    *_moves("task", "F", "Q", "resume", "client"),
    # A task instance.
    *_moves("task_instance", "I", "O", "launch", "distributor"),
    *_moves("task_instance", "I", "W", "launch", "distributor"),  # the cluster did not take it
    *_moves("task_instance", "IO", "R", "report", "worker"),
    *_moves("task_instance", "IORT", "D", "report", "worker"),
    *_moves("task_instance", "IORT", "E", "report", "worker"),
    *_moves("task_instance", "IORT", "Z", "report", "worker"),
    *_moves("task_instance", "IORT", "U", "reconcile", "distributor"),  # over, and nobody knows how
    *_moves("task_instance", "IORT", "X", "reconcile", "distributor"),  # silent, and proven gone
    *_moves("task_instance", "IORT", "F", "reconcile", "distributor"),  # cancelled by hand, or never possible
    *_moves("task_instance", "IOR", "T", "reap", "server"),  # silent past its deadline: suspected
    *_moves("task_instance", "T", "R", "report", "worker"),  # it was only late
    *_moves("task_instance", "T", "O", "reconcile", "distributor"),  # the cluster still has it waiting
    *_moves("task_instance", "IORT", "K", "kill", "server"),  # wanted gone; repeated until seen gone
    *_moves("task_instance", "K", "F", "kill", "distributor"),
    *_moves("task_instance", "K", "D", "report", "worker"),  # finished before the kill reached it
    # A workflow run.
    *_moves("workflow_run", "G", "B", "bind", "client"),
    *_moves("workflow_run", "B", "I", "claim", "distributor"),  # a distributor took the lease
    *_moves("workflow_run", "I", "O", "launch", "distributor"),
    *_moves("workflow_run", "BIO", "R", "absorb", "engine"),
    *_moves("workflow_run", "BIOR", "D", "absorb", "engine"),
    *_moves("workflow_run", "BIOR", "E", "absorb", "engine"),
    *_moves("workflow_run", "BIOR", "S", "absorb", "engine"),
    *_moves("workflow_run", "BIOR", "C", "resume", "client"),
    *_moves("workflow_run", "BIOR", "H", "resume", "client"),
    *_moves("workflow_run", "CH", "T", "absorb", "engine"),
    *_moves("workflow_run", "G", "A", "reap", "server"),
    # A workflow follows its newest run.
    *_moves("workflow", "GAFH", "Q", "bind", "client"),
    *_moves("workflow", "G", "A", "reap", "server"),  # its bind was given up
    *_moves("workflow", "A", "G", "bind", "client"),  # and taken up again
    *_moves("workflow", "Q", "I", "claim", "distributor"),
    *_moves("workflow", "I", "O", "launch", "distributor"),
    *_moves("workflow", "QIO", "R", "absorb", "engine"),
    *_moves("workflow", "QIOR", "D", "absorb", "engine"),
    *_moves("workflow", "QIOR", "F", "absorb", "engine"),
    *_moves("workflow", "QIOR", "H", "resume", "client"),
)

KINDS: Final[tuple[Kind, ...]] = ("task", "task_instance", "workflow_run", "workflow")

_SOURCES: Final[dict[tuple[Kind, str], tuple[str, ...]]] = {}
for _move in TABLE:
    _SOURCES[_move.kind, _move.new] = (*_SOURCES.get((_move.kind, _move.new), ()), _move.old)


def sources(kind: Kind, new: str) -> tuple[str, ...]:
    """The statuses from which `kind` may go to `new`; empty when nothing leads there."""
    return _SOURCES.get((kind, new), ())


def is_legal(kind: Kind, old: str, new: str) -> bool:
    """Whether the table holds this move."""
    return old in sources(kind, new)


def statuses(kind: Kind) -> tuple[str, ...]:
    """Every status of `kind`, in the order in which the table first names it."""
    return tuple(dict.fromkeys(s for move in TABLE if move.kind == kind for s in (move.old, move.new)))


@cache
def final(kind: Kind) -> tuple[str, ...]:
    """The statuses that nothing leaves except a resume."""
    left = {move.old for move in TABLE if move.kind == kind and move.verb not in ("resume", "bind")}
    return tuple(status for status in statuses(kind) if status not in left)


def is_late(old: str, new: str) -> bool:
    """Whether a report of `new` about an attempt now in `old` merely comes too late.

    A report is late when the attempt is over, when it repeats what is known, or when it is behind:
    `launch` after `running`, anything but an end while a kill is under way.
    """
    if old in final("task_instance") or old == new:
        return True
    return (old, new) in {("R", "O"), ("K", "O"), ("K", "R")}


def diagram(kind: Kind) -> str:
    """The states of `kind` as a Mermaid state diagram; parallel moves share an arrow."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for move in TABLE:
        if move.kind == kind:
            arrows.setdefault((move.old, move.new), []).append(f"{move.verb} ({move.actor})")
    lines = [f"    {old} --> {new}: {', '.join(words)}" for (old, new), words in arrows.items()]
    ends = [f"    {status} --> [*]" for status in final(kind)]
    return "\n".join(["stateDiagram-v2", *lines, *ends])


if __name__ == "__main__":
    for _kind in KINDS:
        print(f"### {_kind}\n\n```mermaid\n{diagram(_kind)}\n```\n")
