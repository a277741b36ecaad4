"""Command lines of Grid Engine's clients."""

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase


def read(
    arguments: Sequence[str], valued: Collection[str], flags: Collection[str]
) -> tuple[dict[str, str], list[str]]:
    """Options with their values ("" for a flag), and the other words. Raises KeyError with an option unknown."""
    found: dict[str, str] = {}
    others = []
    left = list(arguments)
    while left:
        word = left.pop(0)
        if word in flags:
            found[word] = ""
        elif word in valued:
            found[word] = left.pop(0) if left and not left[0].startswith("-") else ""
        elif word.startswith("-"):
            raise KeyError(word)
        else:
            others.append(word)
    return found, others


def is_meant(number: int, name: str, pattern: str) -> bool:
    """Whether a job is the one of this number, or one whose name matches."""
    return str(number) == pattern if pattern.isdecimal() else fnmatchcase(name, pattern)
