"""What the process of a scheduler's library (`library.py`) writes: one line of JSON for each line it was asked.

Its first line says how the start went: Done with the library's version, or Failed. What the library itself prints
goes where errors go.
"""

import os
import sys
from collections.abc import Callable
from typing import BinaryIO, TypeAlias, TypeVar

import msgspec

Library = TypeVar("Library")


class Done(msgspec.Struct, frozen=True, tag="done"):
    """It went well."""

    result: msgspec.Raw


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """It did not. `code` is the library's own name or number of the error, None where it was not asked."""

    words: str
    code: int | str | None = None


Answer: TypeAlias = Done | Failed


def answer_questions(
    start: Callable[[], tuple[Library, str]],
    answer: Callable[[Library, bytes], object],
    failed: Callable[[Exception], Failed],
) -> Library | None:
    """Answer until there are no more questions; the library then, None when it did not start.

    start   loads it, and tells its version
    answer  what it says to one question
    failed  what an exception of either is to the one who asked
    """
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        library, version = start()
    except Exception as error:  # noqa: BLE001 - the top of the process: whatever it is, it is the answer
        _say(answers, failed(error))
        return None
    _say(answers, _done(version))
    for line in sys.stdin.buffer:
        try:
            said: Answer = _done(answer(library, line))
        except Exception as error:  # noqa: BLE001 - the top of the loop: the one who asked shall know
            said = failed(error)
        _say(answers, said)
    return library


def _done(result: object) -> Done:
    return Done(msgspec.Raw(msgspec.json.encode(result)))


def _say(answers: BinaryIO, answer: Answer) -> None:
    answers.write(msgspec.json.encode(answer) + b"\n")
    answers.flush()
