"""Which queue takes a task."""

from collections import Counter
from fnmatch import fnmatchcase

from fakes.drmaa import words
from fakes.drmaa.records import Request
from fakes.drmaa.settings import HOST, Queue, Settings


def suits(queue: Queue, request: Request) -> bool:
    """Whether the queue could ever run it."""
    wanted = request.resources.get("h_rt")
    return (
        (not request.queues or queue.name in request.queues)
        and (not request.parallel or request.parallel in queue.parallel)
        and request.slots <= queue.slots
        and (queue.h_rt is None or wanted is None or words.seconds(wanted) <= queue.h_rt)
        and _is_here(request.resources.get("hostname", "*"))
        and words.memory(request.resources.get("h_vmem", "1G")) * request.slots <= words.memory("1000G")
    )


def never(settings: Settings, request: Request) -> bool:
    """No queue could."""
    return not any(suits(queue, request) for queue in settings.queues)


def find(settings: Settings, used: Counter[str], request: Request) -> Queue | None:
    """The first queue with room; None: wait."""
    fitting = (queue for queue in settings.queues if suits(queue, request))
    return next((queue for queue in fitting if queue.slots - used[queue.name] >= request.slots), None)


def _is_here(wanted: str) -> bool:
    """Whether the one node is meant by `a|b`, `!(a|b)`, `(a)&!(b)`."""
    return all(
        any(fnmatchcase(HOST, name) for name in term.strip("!()").split("|")) != term.startswith("!")
        for term in wanted.split("&")
    )
