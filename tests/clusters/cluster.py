"""A batch system whose daemons run on this machine, started and stopped from one folder."""

import contextlib
import fcntl
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar, Self

from clusters import numbers
from clusters.process import Daemon


class Cluster(ABC):
    """What a test does to the daemons of any of them.

    start_seconds  the patience with what starts or ends
    broken         the error for what does not come
    """

    start_seconds: ClassVar[float] = 150.0
    broken: ClassVar[type[Exception]]

    def __init__(self, folder: Path) -> None:
        """Nothing is started."""
        self.folder = folder.resolve()

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(self, *error: object) -> None:
        self.discard()

    @abstractmethod
    def up(self) -> bool:
        """Start what is not running, wait until jobs can run; False when all of it was running."""

    @abstractmethod
    def down(self) -> None:
        """End every daemon, then what jobs left; the logs stay."""

    def discard(self) -> None:
        """`down`, and nobody is going to say `up` again."""
        self.down()
        numbers.give_back(self.folder)

    def stop(self, name: str) -> None:
        """SIGTERM, as an operator would."""
        self._daemon(name).end()

    def kill(self, name: str) -> None:
        """SIGKILL, as a crash would."""
        self._daemon(name).kill()

    def freeze(self, name: str) -> None:
        """Let it take connections that it never serves, until `thaw`."""
        self._daemon(name).send(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Let it go on."""
        self._daemon(name).send(signal.SIGCONT)

    @abstractmethod
    def _daemons(self) -> Mapping[str, Daemon]:
        """All of them in the order in which they are started."""

    def _daemon(self, name: str) -> Daemon:
        return self._daemons()[name]

    def _wait(self, condition: Callable[[], bool], complaint: str, *concerned: Daemon) -> None:
        deadline = time.monotonic() + self.start_seconds
        while not condition():
            gone = [daemon.name for daemon in concerned if daemon.pid is None]
            if gone or time.monotonic() > deadline:
                why = f"{' and '.join(gone)} ended" if gone else f"waited {self.start_seconds:g} s"
                words = "\n".join(self._last_words(daemon) for daemon in concerned)
                raise self.broken(f"{complaint} ({why}); see {self.folder / 'log'}\n{words}")
            time.sleep(0.05)

    def _last_words(self, daemon: Daemon) -> str:
        return daemon.last_words()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One `up` or `down` at a time in one folder."""
        with locked(self.folder / "lock"):
            yield


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Alone with this file."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
