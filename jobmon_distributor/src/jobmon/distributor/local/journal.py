"""The executor's memory: what a new executor must know when the old one was killed.

A line is written before what it tells of has an effect: a batch before it is acknowledged, a start before the
process is made. So whoever reads the journal knows of each attempt that it was

* not started: it is still to be claimed. If the old executor had claimed it, the server grants it again,
  because the new executor has the same identity;
* started, and its end was not seen: it is never started again, and the server is told that it is lost;
* over, and the server has not answered that it knows: it is told again.

The journal needs no fsync, because it must outlive the process and not the machine: after a reboot nothing runs
any more, a new executor has a new identity, and the server is told of what was lost or over in the name of the
old one. If the journal cannot be written (disk full) it is removed: a new executor then has a new identity, to
which the server grants nothing that the old one had.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from jobmon.core.ids import BatchId, TaskInstanceId
from jobmon.core.wire import Batch, Outcome

JOURNAL = "journal.jsonl"
COMPACT_BYTES = 16 * 1024 * 1024


class Past(msgspec.Struct, kw_only=True, tag="past"):
    """All that the lines up to here tell."""

    executor_id: str
    boot_id: str
    batches: dict[BatchId, Batch] = {}
    settled: dict[BatchId, set[int]] = {}  # indexes that need not be claimed any more
    finished: set[BatchId] = set()  # batches of which every attempt is settled
    started: dict[TaskInstanceId, str] = {}  # the end was not seen: the token
    untold: dict[TaskInstanceId, Outcome] = {}
    before: "Past | None" = None  # of an executor before the reboot, until the server knows how all of it ended

    def settle(self, batch_id: BatchId, indexes: Iterable[int]) -> None:
        """These attempts will not be claimed any more."""
        batch = self.batches.get(batch_id)
        if batch is None:
            return
        settled = self.settled.setdefault(batch_id, set())
        settled.update(indexes)
        if len(settled) >= batch.size:
            del self.batches[batch_id], self.settled[batch_id]
            self.finished.add(batch_id)


class Accepted(msgspec.Struct, tag="accepted"):
    """A batch was taken."""

    batch: Batch

    def apply(self, past: Past) -> None:
        """Remember it."""
        past.batches[self.batch.batch_id] = self.batch


class Settled(msgspec.Struct, tag="settled"):
    """Attempts that are over without having been started here. Columns."""

    batch_id: list[BatchId]
    index: list[int]

    def apply(self, past: Past) -> None:
        """They need not be claimed."""
        for batch_id, index in zip(self.batch_id, self.index, strict=True):
            past.settle(batch_id, (index,))


class Started(msgspec.Struct, tag="started", array_like=True):
    """A command is about to be started."""

    batch_id: BatchId
    index: int
    instance_id: TaskInstanceId
    token: str

    def apply(self, past: Past) -> None:
        """It may run from now on."""
        past.settle(self.batch_id, (self.index,))
        past.started[self.instance_id] = self.token


class Ended(msgspec.Struct, tag="ended", array_like=True):
    """A command that was started is over."""

    outcome: Outcome

    def apply(self, past: Past) -> None:
        """The server is to be told."""
        past.started.pop(self.outcome.instance_id, None)
        past.untold[self.outcome.instance_id] = self.outcome


class Told(msgspec.Struct, tag="told", array_like=True):
    """The server has the outcomes of these attempts."""

    instance_id: list[TaskInstanceId]

    def apply(self, past: Past) -> None:
        """They are of no interest any more."""
        for instance_id in self.instance_id:
            past.untold.pop(instance_id, None)


Line = Accepted | Settled | Started | Ended | Told
# A union may not hold structs of both forms, so the two kinds of lines are told apart by their first byte.
_decode_object = msgspec.json.Decoder(Past | Accepted | Settled).decode
_decode_array = msgspec.json.Decoder(Started | Ended | Told).decode
_encode = msgspec.json.Encoder().encode


class Journal:
    """The journal of a state folder, of which the caller holds the lock."""

    def __init__(
        self, state_dir: Path, boot_id: str, log: Callable[[str], None], compact_bytes: int = COMPACT_BYTES
    ) -> None:
        """Read what an earlier executor left, and go on from there."""
        self._file = state_dir / JOURNAL
        self._log = log
        self._compact_bytes = compact_bytes
        self.past = read(self._file) or new_past(boot_id)
        if self.past.boot_id != boot_id:
            self.past = new_past(boot_id, self.past)
        self._written = 0
        self._held = bytearray()
        self._out = -1
        self._given_up = False
        self.compact()

    def accepted(self, batch: Batch) -> None:
        """Before a batch is acknowledged."""
        self._add(Accepted(batch))
        self.flush()

    def settled(self, attempts: Sequence[tuple[BatchId, int]]) -> None:
        """Attempts that were cancelled or are gone, before that is told to anybody."""
        if attempts:
            batch_ids, indexes = zip(*attempts, strict=True)
            self._add(Settled(list(batch_ids), list(indexes)))
            self.flush()

    def started(self, batch_id: BatchId, index: int, instance_id: TaskInstanceId, token: str) -> None:
        """Before a command is started."""
        self._add(Started(batch_id, index, instance_id, token))
        self.flush()

    def ended(self, outcome: Outcome) -> None:
        """When a command is over; written by the next `flush`."""
        self._add(Ended(outcome))

    def told(self, outcomes: Iterable[Outcome]) -> None:
        """When the server has answered."""
        self._add(Told([outcome.instance_id for outcome in outcomes]))

    def told_of_before(self) -> None:
        """When the server has answered about the executor before the reboot."""
        self.past.before = None
        self.compact()

    def knows(self, batch_id: BatchId) -> bool:
        """Whether a batch was ever accepted."""
        return batch_id in self.past.batches or batch_id in self.past.finished

    def flush(self) -> None:
        """Write what is held. To be called before waiting for anything."""
        if not self._held or self._given_up:
            return
        try:
            self._write(self._held)
        except OSError as error:
            self._give_up(error)
        self._held.clear()
        if self._written > self._compact_bytes:
            self.compact()

    def compact(self) -> None:
        """Write all that is known as one line instead of the lines that told it."""
        if self._given_up:
            return
        new = self._file.with_suffix(".new")
        try:
            out = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self.close()
            self._out = out
            self._write(_encode(self.past) + b"\n")
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
        self._held += _encode(line)
        self._held += b"\n"

    def _write(self, raw: bytes | bytearray) -> None:
        self._written += len(raw)
        written = os.write(self._out, raw)
        while written < len(raw):
            written += os.write(self._out, raw[written:])

    def _give_up(self, error: OSError) -> None:
        self._given_up = True
        self._log(f"the journal {self._file} cannot be written ({error.strerror}); it is removed")
        self.remove()


def read(file: Path) -> Past | None:
    """What a journal tells; None if there is none, or none that can be trusted.

    A last line that was cut is as if it had not been written: what it tells of had no effect yet.
    """
    try:
        past: Past | None = None
        for line in file.read_bytes().split(b"\n")[:-1]:
            entry = (_decode_array if line.startswith(b"[") else _decode_object)(line)
            if isinstance(entry, Past):
                past = entry
            elif past is not None:
                entry.apply(past)
    except (FileNotFoundError, msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return past


def new_past(boot_id: str, before: Past | None = None) -> Past:
    """An executor that begins."""
    return Past(executor_id=os.urandom(16).hex(), boot_id=boot_id, before=before)
