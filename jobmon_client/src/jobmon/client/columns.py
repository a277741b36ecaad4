"""Tasks as columns: their names, commands and hashes, rendered a block at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from jobmon.client.naming import clean_all
from jobmon.core.hashing import canonical, digests, task_hash

if TYPE_CHECKING:
    from jobmon.client.resolved import Resolver
    from jobmon.client.task import Task


class Columns(msgspec.Struct, gc=False):
    """Tasks `first .. first + len(name) - 1`; one entry a task, except for the last four."""

    first: int
    array: list[int]
    resources: list[int]
    max_attempts: list[int]
    name: list[str]
    command: list[str]
    node_args: list[str]
    node_hash: list[bytes]
    deferred: list[int]
    attribute_task: list[int]
    attribute_name: list[str]
    attribute_value: list[str | None]

    @property
    def text_bytes(self) -> int:
        """About how long the texts are."""
        return sum(map(len, self.command)) + sum(map(len, self.node_args)) + sum(map(len, self.name))

    def spec(self) -> bytes:
        """What makes the tasks' specification, for its hash."""
        return msgspec.json.encode(
            (
                self.array,
                self.resources,
                self.max_attempts,
                self.name,
                self.command,
                self.deferred,
                self.attribute_task,
                self.attribute_name,
                self.attribute_value,
            )
        )


def render(tasks: Sequence[Task], first: int, resolver: Resolver) -> Columns:
    """The columns of these tasks, whose first one has the position `first`.

    Raises ValueError or TypeError, naming the template and the arguments, for a command or name that cannot
    be rendered or sent, and what the resolver raises.
    """
    resolved = [resolver[task._options] for task in tasks]
    rendered = texts(tasks)
    columns = Columns(
        first=first,
        array=[one[0] for one in resolved],
        resources=[one[1] for one in resolved],
        max_attempts=[one[2] for one in resolved],
        name=rendered.name,
        command=rendered.command,
        node_args=rendered.node_args,
        node_hash=rendered.node_hash,
        deferred=[index for index, one in enumerate(resolved) if one[3]],
        attribute_task=[],
        attribute_name=[],
        attribute_value=[],
    )
    for index, task in enumerate(tasks):
        if task._attributes is not None:
            for name, value in task._attributes.items():
                columns.attribute_task.append(first + index)
                columns.attribute_name.append(name)
                columns.attribute_value.append(value)
    return columns


class Texts(NamedTuple):
    """One entry a task; node arguments are canonical JSON."""

    name: list[str]
    command: list[str]
    node_args: list[str]
    node_hash: list[bytes]


def texts(tasks: Sequence[Task]) -> Texts:
    """Names, commands and hashes. Raises as `render` does."""
    found = Texts([], [], [], [])
    for run in _runs(tasks):
        try:
            _add_run(found, run)
        except (ValueError, TypeError, LookupError, AttributeError):
            _raise_first(run)
            raise
    _check_texts(found.name, found.command, tasks)
    return found


def _runs(tasks: Sequence[Task]) -> Iterator[Sequence[Task]]:
    """Neighbours that differ in nothing but their node arguments."""
    begin = 0
    options: object = None
    task_values: object = None
    op_values: object = None
    for index, task in enumerate(tasks):
        if task._options is not options or task._task is not task_values or task._op is not op_values:
            if index > begin:
                yield tasks[begin:index]
            begin, options, task_values, op_values = index, task._options, task._task, task._op
    if begin < len(tasks):
        yield tasks[begin:]


def _add_run(found: Texts, run: Sequence[Task]) -> None:
    """Append a run. Its loops run a million times: what is the same for all is worked out before."""
    options = run[0]._options
    version = options.version
    names, where = version.node_args, f"a node argument of task template {version.name!r}"
    nodes = [dict(zip(names, task._node, strict=True)) for task in run]
    bodies = [canonical(node, where) for node in nodes]
    found.command.extend(version.command.render_all(_shared_arguments(run[0]), nodes))
    found.node_args.extend([body.decode() for body in bodies])
    found.node_hash.extend(digests(version.key.encode(), bodies))
    if options.name_pattern is not None:
        patterned = options.name_pattern.render_all(_shared_arguments(run[0]), nodes)
        found.name.extend([task._name or name for task, name in zip(run, clean_all(patterned), strict=True)])
    else:
        name_of = version.default_name
        defaults = clean_all([name_of(*task._node) for task in run])
        found.name.extend([task._name or name for task, name in zip(run, defaults, strict=True)])


def _shared_arguments(task: Task) -> dict[str, Any]:
    return {**task.task_args, **task.op_args}


def _raise_first(run: Sequence[Task]) -> None:
    """Find the task that failed, and say which one it is."""
    for task in run:
        try:
            _add_run(Texts([], [], [], []), [task])
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise _unrenderable(task, error) from error


def _unrenderable(task: Task, error: Exception) -> Exception:
    version = task._options.version
    arguments = ", ".join(f"{name}={value!r}"[:200] for name, value in task.arguments.items())
    kind = TypeError if isinstance(error, TypeError) else ValueError
    return kind(
        f"the command of task template {version.name!r} cannot be made with {arguments}: {error}. "
        f"The template is {version.command_template[:500]!r}"
    )


def _check_texts(names: list[str], commands: list[str], tasks: Sequence[Task]) -> None:
    """Refuse what no shell and no JSON takes: NUL, and texts that are not Unicode."""
    for kind, column in (("name", names), ("command", commands)):
        together = "".join(column)
        if "\0" not in together and (together.isascii() or _encodable(together)):
            continue
        index = next(i for i, text in enumerate(column) if "\0" in text or not _encodable(text))
        what = "a NUL character" if "\0" in column[index] else "characters that are not Unicode (lone surrogates)"
        raise ValueError(
            f"the {kind} of task {names[index].encode('ascii', 'backslashreplace').decode()[:100]!r} of template "
            f"{tasks[index]._options.version.name!r} holds {what}, which no shell can be given; "
            "put the value into a file and pass its path"
        )


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# --- identity -----------------------------------------------------------------------------------------------


def task_args_hashes(tasks: Sequence[Task]) -> list[bytes]:
    """A hash of each task's task arguments; tasks that share them share the hash."""
    found: list[bytes] = []
    shared: object = None
    version: object = None
    value = b""
    for task in tasks:
        if task._task is not shared or task._options.version is not version:
            shared, version = task._task, task._options.version
            value = task_hash(b"", task.task_args)
        found.append(value)
    return found
