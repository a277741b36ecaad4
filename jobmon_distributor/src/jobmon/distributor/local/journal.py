"""The executor's memory: what a new executor must know when the old one was killed.

A line is written before what it tells of has an effect: a batch before it is acknowledged, a request before it
is sent, a grant before its commands start. So whoever reads the journal knows of each attempt that it was

* never asked for: it is still to be claimed;
* asked for, without an answer: nothing was started, and the request is repeated as it was;
* granted, without an outcome in any request: it may have been started, so it is never started again;
* over, with an outcome in a request: if that was not answered, the request is repeated.

The journal needs no fsync, because it must outlive the process and not the machine: after a reboot, or on
another machine, nothing but the unanswered outcomes is taken over. If it cannot be written (disk full) it is
removed, and a new executor then has a new identity, to which the server grants nothing that the old one had.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from jobmon.core.ids import BatchId, TaskInstanceId
from jobmon.core.wire import Batch, WorkAnswer, WorkRequest

JOURNAL = "journal.jsonl"
COMPACT_BYTES = 16 * 1024 * 1024


class Past(msgspec.Struct, kw_only=True, tag="past"):
    """All that the lines up to here tell."""

    executor_id: str
    boot_id: str
    sequence: int = 0
    batches: dict[BatchId, Batch] = {}
    settled: dict[BatchId, set[int]] = {}  # indexes that are granted, gone or dropped
    finished: set[BatchId] = set()  # batches of which every attempt is settled
    granted: dict[TaskInstanceId, str] = {}  # without an outcome so far: the token
    unanswered: dict[int, WorkRequest] = {}

    def settle(self, batch_id: BatchId, indexes: Iterable[int]) -> None:
        """These attempts will not be claimed again."""
        if batch_id in self.finished:
            return
        settled = self.settled.setdefault(batch_id, set())
        settled.update(indexes)
        batch = self.batches.get(batch_id)
        if batch is not None and len(settled) >= batch.size:
            del self.batches[batch_id], self.settled[batch_id]
            self.finished.add(batch_id)


class Accepted(msgspec.Struct, tag="accepted"):
    """A batch was taken."""

    batch: Batch

    def apply(self, past: Past) -> None:
        """Remember it."""
        past.batches[self.batch.batch_id] = self.batch


class Dropped(msgspec.Struct, tag="dropped"):
    """Attempts were cancelled before they were claimed. Columns."""

    batch_id: list[BatchId]
    index: list[int]

    def apply(self, past: Past) -> None:
        """They are settled."""
        for batch_id, index in zip(self.batch_id, self.index, strict=True):
            past.settle(batch_id, (index,))


class Sent(msgspec.Struct, tag="sent"):
    """A request is about to be sent."""

    request: WorkRequest

    def apply(self, past: Past) -> None:
        """Its outcomes have been told."""
        past.sequence = self.request.sequence
        past.unanswered[self.request.sequence] = self.request
        for outcome in self.request.outcomes:
            past.granted.pop(outcome.instance_id, None)


class Granted(msgspec.Struct, array_like=True):
    """Attempts of one batch that may start; columns."""

    batch_id: BatchId
    index: list[int]
    instance_id: list[TaskInstanceId]
    token: list[str]


class Answered(msgspec.Struct, tag="answered"):
    """The answer to a request."""

    sequence: int
    granted: list[Granted]
    gone: list[tuple[BatchId, int]]

    def apply(self, past: Past) -> None:
        """What it granted may run from now on; what is gone is settled."""
        past.unanswered.pop(self.sequence, None)
        for grant in self.granted:
            past.settle(grant.batch_id, grant.index)
            past.granted.update(zip(grant.instance_id, grant.token, strict=True))
        for batch_id, index in self.gone:
            past.settle(batch_id, (index,))


Line = Accepted | Dropped | Sent | Answered
_decode = msgspec.json.Decoder(Past | Line).decode
_encode = msgspec.json.Encoder().encode


class Journal:
    """The journal of a state folder, of which the caller holds the lock."""

    def __init__(self, state_dir: Path, boot_id: str, compact_bytes: int = COMPACT_BYTES) -> None:
        """Read what an earlier executor left, and go on from there."""
        self._file = state_dir / JOURNAL
        self._compact_bytes = compact_bytes
        self.past = read(self._file) or new_past(boot_id)
        self.outcomes_of_another_boot: list[WorkRequest] = []
        if self.past.boot_id != boot_id:
            self.outcomes_of_another_boot = _outcomes(self.past.unanswered.values())
            self.past = new_past(boot_id)
        self._written = 0
        self._out = -1
        self.problem = ""
        self.compact()

    def accepted(self, batch: Batch) -> None:
        """Before a batch is acknowledged."""
        self._add(Accepted(batch))

    def dropped(self, attempts: Sequence[tuple[BatchId, int]]) -> None:
        """Before cancelled attempts are told to be gone."""
        if attempts:
            batch_ids, indexes = zip(*attempts, strict=True)
            self._add(Dropped(list(batch_ids), list(indexes)))

    def sent(self, request: WorkRequest) -> None:
        """Before a request is sent."""
        self._add(Sent(request))

    def answered(self, sequence: int, answer: WorkAnswer) -> None:
        """Before any command of an answer is started."""
        granted = [Granted(each.batch_id, each.index, each.instance_id, each.token) for each in answer.grants]
        gone = [(each.batch_id, each.index) for each in answer.denials if each.verdict == "gone"]
        self._add(Answered(sequence, granted, gone))

    def knows(self, batch_id: BatchId) -> bool:
        """Whether a batch was ever accepted."""
        return batch_id in self.past.batches or batch_id in self.past.finished

    def compact(self) -> None:
        """Write all that is known as one line instead of the lines that told it."""
        new = self._file.with_suffix(".new")
        try:
            out = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self.close()
            self._out = out
            self._write(_encode(self.past))
            new.replace(self._file)
            self._written = 0
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """No more lines."""
        if self._out >= 0:
            os.close(self._out)
            self._out = -1

    def remove(self) -> None:
        """There is nothing that a new executor must know."""
        self.close()
        self._file.unlink(missing_ok=True)

    def _add(self, line: Line) -> None:
        line.apply(self.past)
        if self.problem:
            return
        try:
            self._write(_encode(line))
        except OSError as error:
            self._give_up(error)
        if self._written > self._compact_bytes:
            self.compact()

    def _write(self, line: bytes) -> None:
        line += b"\n"
        self._written += len(line)
        while line:
            line = line[os.write(self._out, line) :]

    def _give_up(self, error: OSError) -> None:
        self.problem = f"the journal {self._file} cannot be written ({error.strerror}); it is removed"
        self.remove()


def read(file: Path) -> Past | None:
    """What a journal tells; None if there is none, or none that can be trusted.

    A last line that was cut is as if it had not been written: what it tells of had no effect yet.
    """
    try:
        past: Past | None = None
        for line in file.read_bytes().split(b"\n")[:-1]:
            entry = _decode(line)
            if isinstance(entry, Past):
                past = entry
            elif past is not None:
                entry.apply(past)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None
    return past


def new_past(boot_id: str) -> Past:
    """An executor that begins."""
    return Past(executor_id=os.urandom(16).hex(), boot_id=boot_id)


def _outcomes(requests: Iterable[WorkRequest]) -> list[WorkRequest]:
    """The same requests without their claims."""
    return [msgspec.structs.replace(request, claims=[]) for request in requests if request.outcomes]
