"""Nodes where tasks failed to start: noted in one file for all of a user's workflows, and avoided for a while."""

import contextlib
import fcntl
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

FILE = "nodes.json"


class Failure(msgspec.Struct, frozen=True):
    """One task that did not start."""

    node: str
    task_id: int
    at: float
    why: str = ""


class Nodes:
    """The notes of one user on one cluster. Times are this machine's, as seconds since 1970."""

    def __init__(
        self,
        folder: Path,
        avoid_seconds: float = 3600,
        avoid_after: int = 3,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """A node is avoided for `avoid_seconds` after `avoid_after` different tasks failed to start there."""
        self._file = folder / FILE
        self._avoid_seconds = avoid_seconds
        self._avoid_after = avoid_after
        self._clock = clock

    def failed(self, node: str, task_id: int, why: str) -> None:
        """A task did not start on this node. A note that cannot be made is none."""
        with contextlib.suppress(OSError), self._locked():
            others = [failure for failure in self._read() if (failure.node, failure.task_id) != (node, task_id)]
            here = [failure for failure in others if failure.node == node]
            spare = here[: max(0, len(here) + 1 - self._avoid_after)]
            kept = [failure for failure in others if failure not in spare]
            self._write([*kept, Failure(node, task_id, self._clock(), why)])

    def forgive(self) -> bool:
        """Avoid none any more; returns whether any was."""
        was = bool(self.avoided())
        if was:
            with contextlib.suppress(OSError), self._locked():
                self._write([])
        return was

    def avoided(self) -> dict[str, Failure]:
        """Nodes to be avoided now, each with the newest failure on it. A task is noted once for each node."""
        by_node: defaultdict[str, list[Failure]] = defaultdict(list)
        for failure in self._read():
            by_node[failure.node].append(failure)
        return {
            node: failures[-1] for node, failures in sorted(by_node.items()) if len(failures) >= self._avoid_after
        }

    def in_words(self) -> str:
        """Nodes to be avoided now, each with its newest failure; "none" for none."""
        return "; ".join(f"{node} ({failure.why})" for node, failure in self.avoided().items()) or "none"

    def _read(self) -> list[Failure]:
        """What is not too old to matter."""
        try:
            failures = msgspec.json.decode(self._file.read_bytes(), type=list[Failure])
        except (OSError, UnicodeDecodeError, msgspec.DecodeError):
            return []
        return [failure for failure in failures if failure.at > self._clock() - self._avoid_seconds]

    def _write(self, failures: list[Failure]) -> None:
        fresh = self._file.with_suffix(".fresh")
        fresh.write_bytes(msgspec.json.encode(failures))
        fresh.rename(self._file)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
