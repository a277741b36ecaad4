"""The graph: tasks that wait for the same set of upstream tasks share one gate.

A 1000 x 1000 all-to-all is one gate with 1000 members, not a million edges. Gate 0 is that of the tasks that
wait for nothing. Tasks are known by their position in the workflow.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from jobmon.core.exceptions import CyclicGraphError, NodeDependencyNotExistError

if TYPE_CHECKING:
    from jobmon.client.task import Task
    from jobmon.client.workflow import Workflow

_CYCLE_STARTS = 200  # from so many tasks the shortest way back to itself is searched
_SHOWN = 12


class Gates:
    """of_task[i]: the gate of task i; members[starts[g]:starts[g + 1]]: the tasks it waits for, sorted."""

    def __init__(self, tasks: Sequence[Task], workflow: Workflow) -> None:
        """Raises NodeDependencyNotExistError for an upstream task outside the workflow."""
        self.of_task = array("q")
        self.members = array("q")
        self.starts = array("q", [0, 0])
        self.in_order = True  # every task comes after all that it waits for: there is no cycle
        self._intern(tasks, workflow)

    def __len__(self) -> int:
        """The number of gates."""
        return len(self.starts) - 1

    def members_of(self, gate: int) -> array[int]:
        """The tasks that the gate waits for."""
        return self.members[self.starts[gate] : self.starts[gate + 1]]

    def _intern(self, tasks: Sequence[Task], workflow: Workflow) -> None:
        known: dict[object, int] = {}
        by_identity: dict[int, int] = {}
        newest = array("q", [-1])  # the last member of each gate
        last: object = ()
        gate, highest = 0, -1
        append = self.of_task.append
        for position, task in enumerate(tasks):
            upstreams = task._upstreams
            if upstreams is not last:
                last = upstreams
                found = by_identity.get(id(upstreams)) if upstreams else 0
                if found is None:
                    key = _key(upstreams, workflow, task)
                    found = known.get(key)
                    if found is None:
                        found = known[key] = len(newest)
                        self._open(key)
                        newest.append(self.members[-1])
                    if len(upstreams) > 1:
                        by_identity[id(upstreams)] = found
                gate, highest = found, newest[found]
            if highest >= position:
                self.in_order = False
            append(gate)

    def _open(self, key: int | tuple[int, ...]) -> None:
        if isinstance(key, int):
            self.members.append(key)
        else:
            self.members.extend(key)
        self.starts.append(len(self.members))


def _key(upstreams: Sequence[Task], workflow: Workflow, task: Task) -> int | tuple[int, ...]:
    """The positions of a set of tasks: the same for the same set, whatever its order."""
    if len(upstreams) == 1:
        only = upstreams[0]
        if only._workflow is not workflow:
            _refuse_foreign(upstreams, workflow, task)
        return only._position
    if {upstream._workflow for upstream in upstreams} != {workflow}:
        _refuse_foreign(upstreams, workflow, task)
    positions = sorted({upstream._position for upstream in upstreams})
    return positions[0] if len(positions) == 1 else tuple(positions)


def _refuse_foreign(upstreams: Iterable[Task], workflow: Workflow, task: Task) -> None:
    foreign = next(upstream for upstream in upstreams if upstream._workflow is not workflow)
    where = "is in another workflow" if foreign._workflow is not None else "was not added to it"
    raise NodeDependencyNotExistError(
        f"task {task.name!r} of {workflow!r} waits for task {foreign.name!r}, which {where}. "
        "Add both to the same workflow, or take the dependency away."
    )


# --- cycles -------------------------------------------------------------------------------------------------


def check_acyclic(gates: Gates, tasks: Sequence[Task]) -> None:
    """Raises CyclicGraphError with the shortest cycle that is found."""
    if gates.in_order:
        return
    stuck = _stuck(gates, len(tasks))
    if not stuck:
        return
    cycle = _shortest_cycle(gates, stuck)
    names = [tasks[position].name for position in (*cycle, cycle[0])]
    if len(names) > _SHOWN:
        names[_SHOWN // 2 : -_SHOWN // 2] = [f"... {len(names) - _SHOWN} more ..."]
    raise CyclicGraphError(
        f"tasks wait for one another in a circle of {len(cycle)}: {' -> '.join(names)} (a -> b: b waits for a). "
        "Take one of these dependencies away."
    )


def _stuck(gates: Gates, task_count: int) -> set[int]:
    """The tasks that could never start: those on a cycle or behind one."""
    waiting: list[list[int]] = [[] for _ in range(len(gates))]
    for position, gate in enumerate(gates.of_task):
        waiting[gate].append(position)
    lowers: dict[int, list[int]] = {}
    for gate in range(1, len(gates)):
        for member in gates.members_of(gate):
            lowers.setdefault(member, []).append(gate)
    remaining = [gates.starts[gate + 1] - gates.starts[gate] for gate in range(len(gates))]
    stuck = set(range(task_count))
    ready = waiting[0]
    while ready:
        stuck.difference_update(ready)
        opened = []
        for position in ready:
            for gate in lowers.get(position, ()):
                remaining[gate] -= 1
                if remaining[gate] == 0:
                    opened.append(gate)
        ready = [position for gate in opened for position in waiting[gate]]
    return stuck


def _shortest_cycle(gates: Gates, stuck: set[int]) -> list[int]:
    """The positions along the shortest cycle, each running before the next."""
    on_cycle = _some_cycle(gates, stuck)
    best = on_cycle
    for start in [*on_cycle, *sorted(stuck.difference(on_cycle))][:_CYCLE_STARTS]:
        found = _cycle_through(start, gates, stuck, len(best))
        if found:
            best = found
    return best


def _some_cycle(gates: Gates, stuck: set[int]) -> list[int]:
    """Walk upstream among the stuck until a task comes back; every stuck task waits for a stuck one."""
    seen: dict[int, int] = {}
    path: list[int] = []
    position = min(stuck)
    while position not in seen:
        seen[position] = len(path)
        path.append(position)
        position = next(member for member in gates.members_of(gates.of_task[position]) if member in stuck)
    return path[seen[position] :][::-1]


def _cycle_through(start: int, gates: Gates, stuck: set[int], shorter_than: int) -> list[int]:
    """The shortest cycle through a task, if it is shorter than that; otherwise an empty list."""
    downstream: dict[int, int] = {start: start}
    queue = deque([(start, 1)])
    while queue:
        position, length = queue.popleft()
        if length >= shorter_than:
            return []
        for member in gates.members_of(gates.of_task[position]):
            if member == start:
                return _walk(position, start, downstream)
            if member in stuck and member not in downstream:
                downstream[member] = position
                queue.append((member, length + 1))
    return []


def _walk(position: int, start: int, downstream: dict[int, int]) -> list[int]:
    path = [position]
    while path[-1] != start:
        path.append(downstream[path[-1]])
    return [path[-1], *path[:-1]]
