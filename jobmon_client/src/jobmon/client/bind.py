"""Bind: announce a workflow, then send its tasks in chunks, beginning where the server wants them.

Everything is worked out and checked before anything is sent. Identity takes one pass over all tasks; what
was rendered for it is kept for the chunks as long as it is small, and rendered again when it is not.
"""

from __future__ import annotations

import getpass
import uuid
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from jobmon.client.clusters import Clusters
from jobmon.client.columns import Columns, render, task_args_hashes
from jobmon.client.dag import Gates, check_acyclic
from jobmon.client.resolved import Resolver
from jobmon.core import routes, wire
from jobmon.core.exceptions import DuplicateNodeArgsError, EmptyWorkflowError
from jobmon.core.hashing import HASH_BYTES, text_hash, upstream_hash
from jobmon.core.ids import ArrayId, TaskId, WorkflowId
from jobmon.core.settings import run_dir

if TYPE_CHECKING:
    from jobmon.client.task import Task
    from jobmon.client.workflow import Workflow
    from jobmon.core.http import Server

CHUNK_TASKS = 20_000
CHUNK_MEMBERS = 200_000
CHUNK_BYTES = 16_000_000
KEPT_BYTES = 64_000_000


class Bound(NamedTuple):
    """What the server knows the workflow as; ids follow positions."""

    workflow_id: WorkflowId
    first_task_id: TaskId
    array_ids: list[ArrayId]
    done_count: int


class _Piece(NamedTuple):
    """What one chunk carries: ranges of tasks, of the gates that come up with them, and of members."""

    tasks: tuple[int, int]
    gates: tuple[int, int]
    members: tuple[int, int]


class Graph:
    """A workflow, checked and hashed: what there is to announce and to send."""

    def __init__(self, workflow: Workflow, chunk_tasks: int = CHUNK_TASKS) -> None:
        """Raises EmptyWorkflowError and whatever is wrong with the graph, its commands or its resources."""
        self.workflow = workflow
        self.tasks = workflow.task_list
        if not self.tasks:
            raise EmptyWorkflowError(
                f"{workflow!r} has no tasks: add some with add_tasks before it is bound or run"
            )
        self.gates = Gates(self.tasks, workflow)
        check_acyclic(self.gates, self.tasks)
        self.resolver = Resolver(workflow, Clusters(workflow.connection))
        self._chunk_tasks = chunk_tasks
        self._kept: dict[int, Columns] = {}
        self.blocks: list[tuple[int, int]] = []
        self._hash()

    def _hash(self) -> None:
        spec = blake2b(digest_size=HASH_BYTES)
        hashes: list[bytes] = []
        kept_bytes = 0
        for first in range(0, len(self.tasks), self._chunk_tasks):
            columns = render(self.tasks[first : first + self._chunk_tasks], first, self.resolver)
            hashes += columns.node_hash
            spec.update(columns.spec())
            size = columns.text_bytes
            self.blocks += _split(first, len(columns.name), size)
            if kept_bytes + size <= KEPT_BYTES and size <= CHUNK_BYTES:
                self._kept[first] = columns
                kept_bytes += size
        if len(set(hashes)) < len(hashes):
            raise duplicates(self.tasks, hashes)
        spec.update(msgspec.json.encode(self.resolver.resources))
        self.spec_hash = spec.hexdigest()
        self.order_hash = blake2b(b"".join(hashes), digest_size=HASH_BYTES).hexdigest()
        self.identity_hash = _identity(self.tasks, hashes, self.gates)
        self.node_hashes = hashes

    def columns(self, first: int, stop: int) -> Columns:
        """The columns of a block, as they were kept or anew."""
        kept = self._kept.pop(first, None)
        return kept if kept is not None else render(self.tasks[first:stop], first, self.resolver)

    def chunks(self, answer: wire.BindAnswer) -> Iterator[wire.ChunkRequest]:
        """The chunks that the server wants. Their layout follows from the tasks alone."""
        layout = list(_layout(self.blocks, self.gates))
        for index, piece in enumerate(layout):
            if index >= answer.next_chunk:
                yield self._chunk(index, index == len(layout) - 1, piece, answer)

    def _chunk(self, index: int, last: bool, piece: _Piece, answer: wire.BindAnswer) -> wire.ChunkRequest:
        members, starts = self.gates.members, self.gates.starts
        first, stop = piece.tasks
        gate_first, gate_stop = piece.gates
        low, high = piece.members
        columns = self.columns(first, stop) if stop > first else _NO_COLUMNS
        return wire.ChunkRequest(
            index=index,
            last=last,
            first=first,
            array=[answer.array_ids[one] for one in columns.array],
            gate=self.gates.of_task[first:stop].tolist(),
            resources=[answer.resources_ids[one] for one in columns.resources],
            max_attempts=columns.max_attempts,
            name=columns.name,
            command=columns.command,
            node_args=columns.node_args,
            node_hash=b"".join(columns.node_hash).hex(),
            deferred=columns.deferred,
            gate_first=gate_first,
            gate_remaining=[starts[gate + 1] - starts[gate] for gate in range(gate_first, gate_stop)],
            member_task=members[low:high].tolist(),
            member_gate=_member_gates(starts, low, high),
            attribute_task=columns.attribute_task,
            attribute_name=columns.attribute_name,
            attribute_value=columns.attribute_value,
        )


_NO_COLUMNS = Columns(0, [], [], [], [], [], [], [], [], [], [], [])


def bind(
    workflow: Workflow,
    server: Server,
    resume: bool,
    told: Callable[[int, int], None] = lambda sent, total: None,
) -> Bound:
    """Bind the workflow; a bind that was interrupted goes on at the next chunk.

    `told` is called after each chunk with how many tasks are sent, and of how many. Raises
    WorkflowAlreadyExists or WorkflowAlreadyComplete as the server finds it, and before anything is sent
    whatever `Graph` raises.
    """
    graph = Graph(workflow, workflow.chunk_tasks)
    answer = server.call(routes.BIND, _announcement(workflow, graph, resume))
    if not answer.same_order:
        workflow.order_by(_ids_by_hash(server, answer.workflow_id, graph.node_hashes))
        graph = Graph(workflow, workflow.chunk_tasks)
        answer = server.call(routes.BIND, _announcement(workflow, graph, resume))
    if answer.send != "none":
        for chunk in graph.chunks(answer):
            server.call(routes.CHUNK, chunk, workflow_id=answer.workflow_id)
            told(chunk.first + len(chunk.name), len(graph.tasks))
    return Bound(answer.workflow_id, answer.first_task_id, answer.array_ids, answer.done_count)


def _announcement(workflow: Workflow, graph: Graph, resume: bool) -> wire.BindRequest:
    templates = {
        array.task_template_version.key: array.task_template_version for array in workflow.arrays.values()
    }
    indices = {key: index for index, key in enumerate(templates)}
    return wire.BindRequest(
        request_id=uuid.uuid4().hex,
        tool_name=workflow.tool.name,
        tool_version_id=workflow.tool_version.pinned_id,
        name=workflow.name,
        args=workflow.workflow_args,
        args_hash=text_hash(workflow.workflow_args),
        description=workflow.description,
        owner=getpass.getuser(),
        attributes=dict(workflow.workflow_attributes),
        max_concurrently_running=workflow.max_concurrently_running,
        run_dir=str(run_dir(workflow.connection.settings)),
        templates=[
            wire.Template(
                name=version.name,
                command_template=version.command_template,
                node_args=list(version.node_args),
                task_args=list(version.task_args),
                op_args=list(version.op_args),
                key=version.key,
            )
            for version in templates.values()
        ],
        arrays=[
            wire.Array(
                template=indices[array.task_template_version.key],
                name=array.name,
                max_concurrently_running=array.max_concurrently_running,
            )
            for array in workflow.arrays.values()
        ],
        resources=graph.resolver.resources,
        queues=graph.resolver.queues,
        task_count=len(graph.tasks),
        gate_count=len(graph.gates),
        identity_hash=graph.identity_hash,
        order_hash=graph.order_hash,
        spec_hash=graph.spec_hash,
        resume=resume,
    )


def _ids_by_hash(server: Server, workflow_id: WorkflowId, hashes: Sequence[bytes]) -> list[TaskId]:
    """The ids of tasks that the server holds in another order."""
    ids: dict[bytes, TaskId] = {}
    after = 0
    while len(ids) < len(hashes):
        page = server.call(routes.IDENTITIES, wire.TaskPage(after=after), workflow_id=workflow_id)
        if not page.task_ids:
            break
        ids.update(zip(map(bytes.fromhex, page.node_hashes), page.task_ids, strict=True))
        after = page.task_ids[-1]
    return [ids[node_hash] for node_hash in hashes]


def _identity(tasks: Sequence[Task], node_hashes: Sequence[bytes], gates: Gates) -> str:
    """The hash over all tasks with their arguments and upstreams, whatever the order of the tasks."""
    waits = [
        upstream_hash([node_hashes[member] for member in gates.members[low:high]])
        for low, high in pairwise(gates.starts)
    ]
    arguments = task_args_hashes(tasks)
    entries = [
        node + args + waits[gate] for node, args, gate in zip(node_hashes, arguments, gates.of_task, strict=True)
    ]
    entries.sort()
    return blake2b(b"".join(entries), digest_size=HASH_BYTES).hexdigest()


def duplicates(tasks: Sequence[Task], hashes: Sequence[bytes]) -> DuplicateNodeArgsError:
    """The error that names the first five tasks which another one is like."""
    seen: dict[bytes, int] = {}
    found: list[str] = []
    for position, node_hash in enumerate(hashes):
        if seen.setdefault(node_hash, position) != position and len(found) < 5:
            task = tasks[position]
            arguments = (
                ", ".join(f"{name}={value!r}" for name, value in task.node_args.items()) or "no node arguments"
            )
            found.append(f"{task._options.version.name} ({arguments[:200]})")
    count = len(hashes) - len(seen)
    return DuplicateNodeArgsError(
        f"{count} of {len(hashes)} tasks have the node arguments of another task of their template: "
        f"{'; '.join(found)}{'; ...' if count > len(found) else ''}. List the argument in which they differ in "
        "node_args, or make the task once"
    )


def _split(first: int, count: int, text_bytes: int) -> list[tuple[int, int]]:
    """A block of tasks as ranges of about equal size, none of more than `CHUNK_BYTES`."""
    pieces = min(count, -(-text_bytes // CHUNK_BYTES) or 1)
    cuts = [first + count * piece // pieces for piece in range(pieces + 1)]
    return list(pairwise(cuts))


def _layout(blocks: Sequence[tuple[int, int]], gates: Gates) -> Iterator[_Piece]:
    """Each block with its new gates; members beyond `CHUNK_MEMBERS` follow in chunks without tasks."""
    gate_first = 0
    for first, stop in blocks:
        gate_stop = max(gate_first, max(gates.of_task[first:stop]) + 1, 1)
        low, high = gates.starts[gate_first], gates.starts[gate_stop]
        yield _Piece((first, stop), (gate_first, gate_stop), (low, min(high, low + CHUNK_MEMBERS)))
        for more in range(low + CHUNK_MEMBERS, high, CHUNK_MEMBERS):
            yield _Piece((stop, stop), (gate_stop, gate_stop), (more, min(high, more + CHUNK_MEMBERS)))
        gate_first = gate_stop


def _member_gates(starts: array[int], low: int, high: int) -> list[int]:
    """The gate of each of the members `low .. high - 1`."""
    found: list[int] = []
    gate = bisect_right(starts, low) - 1
    while len(found) < high - low:
        found += [gate] * (min(starts[gate + 1], high) - max(starts[gate], low))
        gate += 1
    return found
