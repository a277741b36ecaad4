"""What the author of a cluster plugin writes to have the suite run over it.

    # mypackage/bench.py
    class Moon(Bench):
        cluster = "moon"
        ...

    $ pytest --pyargs jobmon_conformance --bench=mypackage.bench:Moon

The tests know the contract (`jobmon.core.cluster`), the interface of the client, and what is here, nothing else.
"""

from abc import ABC, abstractmethod
from contextlib import ExitStack
from typing import Any, ClassVar, Self

import pytest

from jobmon.core.cluster import Cluster, ClusterKind, Connection
from jobmon_conformance.home import Home

BY_HAND = "cancels by hand"  # a user can end a job behind our back
NUMBERS = "numbers its jobs"  # and may give a number out again
SHARES = "shares its places"  # a worker whose command was short takes further attempts of its array
MEMORY = "enforces memory"  # an attempt that takes more than it asked for is ended


class Bench(ABC):
    """A cluster, started for a session of tests, and the hands of its user.

    cluster    its name in Jobmon
    abilities  which of the tests that say what they need (`needs`) are made of it
    many       attempts in the test of a large batch
    wide       what a task asks for, so that only `at_once` of them can run at one time
    """

    cluster: ClassVar[str]
    abilities: ClassVar[frozenset[str]] = frozenset()
    many: ClassVar[int] = 1000
    wide: ClassVar[dict[str, Any]] = {}
    at_once: ClassVar[int] = 2

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self.folders = folders
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            self.start(opening)
            self._open = opening.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    @abstractmethod
    def start(self, opening: ExitStack) -> None:
        """Start the cluster; what ends it goes on the stack."""

    @property
    @abstractmethod
    def environment(self) -> dict[str, str]:
        """The user's variables: how to reach the cluster, and times that are short enough for tests."""

    @abstractmethod
    def alive(self, home: Home) -> set[str]:
        """What the foreign system itself says is there of this home's jobs, and not over."""

    @abstractmethod
    def kill_worker(self, home: Home, job_id: str, index: int) -> None:
        """kill -9 what watches over this attempt."""

    def cancel(self, job_id: str, index: int) -> None:
        """End a job as its user would, without Jobmon. Only of those who can (`BY_HAND`)."""
        raise NotImplementedError

    def lacks(self, ability: str) -> str:
        """Why one of the abilities cannot be had on this machine; "" if it can."""
        return ""

    def connect_hasty(self, kind: ClusterKind, connection: Connection) -> Cluster:
        """A connection that believes sooner than usual what it has not seen for a while."""
        return kind.connect(connection)
