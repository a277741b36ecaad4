"""Names of tasks: what may be one, and the one that a task has when nobody gave it any."""

import re
from collections.abc import Sequence

from jobmon.core.constants import SpecialChars

LONGEST = 249  # with an attempt's suffix it still is a file name
_CONTROL = "".join(map(chr, [*range(32), 127]))
_ILLEGAL = re.compile(f"[{re.escape(SpecialChars.ILLEGAL_SPECIAL_CHARACTERS + _CONTROL)}]")

_REPLACED = str.maketrans(dict.fromkeys(SpecialChars.ILLEGAL_SPECIAL_CHARACTERS + _CONTROL, "_") | {"\n": "\n"})


def check_task_name(name: str) -> None:
    """Raises ValueError for a name that is empty, too long, begins with a digit or holds an illegal character."""
    if not isinstance(name, str) or not name:
        raise ValueError(f"task name {name!r} is not a name: give a text that is not empty")
    if name[0].isdigit():
        raise ValueError(f"task name {name!r} begins with a digit; put a letter before it")
    if found := _ILLEGAL.search(name):
        raise ValueError(
            f"task name {name!r} holds {found[0]!r}; none of / \\ ' \" space and control characters may be in it"
        )
    if len(name) > LONGEST:
        raise ValueError(f"task name {name[:40]!r}... has {len(name)} characters; {LONGEST} is the most")


def name_pattern(template_name: str, node_args: Sequence[str]) -> str:
    """A `str.format` pattern for the values of the node arguments: `fit_country-{}_year-{}`."""
    start = template_name.replace("{", "{{").replace("}", "}}")
    return "_".join([start, *(f"{name}-{{}}" for name in node_args)])


def clean(name: str) -> str:
    """A legal name: every illegal character replaced, a letter first, cut to its longest."""
    legal = _ILLEGAL.sub("_", name)[:LONGEST]
    return legal if legal and not legal[0].isdigit() else f"_{legal}"[:LONGEST]


def clean_all(names: Sequence[str]) -> list[str]:
    """Many names at once, joined by a character that is illegal in all of them."""
    together = "\n".join(names)
    if together.count("\n") != len(names) - 1 or max(map(len, names)) > LONGEST:
        return [clean(name) for name in names]
    legal = together.translate(_REPLACED).split("\n")
    return [name if name and not name[0].isdigit() else clean(name) for name in legal]
