"""The options that clusters of every scheduler have; a plugin adds its own."""

from typing import Annotated

import msgspec
from msgspec import Meta

Seconds = Annotated[float, Meta(gt=0, le=1e7)]
Count = Annotated[int, Meta(ge=1)]


class SchedulerOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every option with what it has when nobody says otherwise."""

    max_batch: Count = 1000  # tasks in one job array, where the scheduler's own limits allow it
    max_submitted: Count = 10_000_000  # tasks submitted at one time, likewise
    poll_seconds: Seconds = 30.0  # the least time between two looks at the queue
    poll_seconds_max: Seconds = 180.0  # the most; in between it is ten times what the last look took
    lag_seconds: Seconds = 10.0  # by which accounting may be behind the queue
    vanish_seconds: Seconds = 60.0  # a job that neither queue nor accounting knows for so long is gone
    impossible_seconds: Seconds = 600.0  # a job that can never start is given up after so long
    requests_per_second: Seconds = 1.0  # to the scheduler, on average
    burst: Count = 10  # requests at once
    reuse_seconds: Annotated[float, Meta(ge=0, le=3600)] = 30.0  # so old a worker may be to start another attempt
    requeue: bool = False  # let the scheduler put jobs back into the queue by itself
    avoid_seconds: Seconds = 3600.0  # a node where tasks failed to start is avoided for so long
    avoid_after: Count = 3  # different tasks
