"""A command that was called, with the answer to it."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass
class Call:
    """What somebody asked. After the answer `environment` holds only what the cluster reads of it."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    at: float = 0
    folder: str = "/"
    user: str = "root"
    user_id: int = 0
    read_stdin: Callable[[], str] = field(default=lambda: "", repr=False)
    rc: int | None = None  # of the answer; None: it hung, or was not waited for

    @property
    def command(self) -> str:
        return os.path.basename(self.argv[0])

    @property
    def rest(self) -> list[str]:
        return list(self.argv[1:])


@dataclass
class Answer:
    """`hangs`: stderr is printed, then nothing more until the caller gives up."""

    stdout: str = ""
    stderr: str = ""
    rc: int = 0
    delay: float = 0
    hangs: bool = False


class Refusal(Exception):
    """A command that ends with an error text."""

    def __init__(self, stderr: str, rc: int = 1, hangs: bool = False) -> None:
        super().__init__(stderr)
        self.answer = Answer("", stderr + "\n", rc, hangs=hangs)
