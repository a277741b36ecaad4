"""What the plugin in the distributor and the executor say to each other: each request has one reply."""

import msgspec

from jobmon.core.ids import BatchId, TaskInstanceId
from jobmon.core.wire import Batch


class Message(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Anything that goes over the socket."""


class Hello(Message, frozen=True, kw_only=True):
    """The first request of a connection: where the server is, and what commands inherit from now on.

    environment  the distributor's, as NAME=value joined by NUL: bytes, because it need not be text
    """

    service_url: str
    token_file: str
    parallelism: int
    environment: bytes
    working_dir: str


class Welcome(Message, frozen=True, kw_only=True):
    """The executor's identity. It stays the same when a new executor takes over the journal of a dead one."""

    executor_id: str
    pid: int


class Submit(Message, frozen=True, kw_only=True):
    """Take this batch. A batch that is known already is not taken twice."""

    batch: Batch


class Look(Message, frozen=True, kw_only=True):
    """Are these batches known?"""

    batch_ids: list[BatchId]


class Known(Message, frozen=True, kw_only=True):
    """Those that are; of the others it is certain that nothing of them runs or will run here."""

    batch_ids: list[BatchId]


class Observe(Message, frozen=True, kw_only=True):
    """What about these attempts? Columns."""

    batch_id: list[BatchId]
    index: list[int]
    instance_id: list[TaskInstanceId]


class Cancel(Message, frozen=True, kw_only=True):
    """End these attempts. Columns."""

    batch_id: list[BatchId]
    index: list[int]
    instance_id: list[TaskInstanceId]


class Seen(Message, frozen=True, kw_only=True):
    """Attempts by what they are now; one that is in no list has ended and its outcome is on its way."""

    pending: list[TaskInstanceId] = []
    running: list[TaskInstanceId] = []
    gone: list[TaskInstanceId] = []


class Bye(Message, frozen=True, kw_only=True):
    """The distributor lets go. `finished`: nothing more will come, end when empty."""

    finished: bool


class Farewell(Message, frozen=True, kw_only=True):
    """Understood."""


Request = Hello | Submit | Look | Observe | Cancel | Bye
Reply = Welcome | Known | Seen | Farewell
