"""Tasks as columns: their names, commands and hashes, rendered a block at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from jobmon.client.naming import clean
from jobmon.core.hashing import canonical, digest

if TYPE_CHECKING:
    from jobmon.client.resolved import Resolver
    from jobmon.client.task import Task
    from jobmon.client.task_template_version import TaskTemplateVersion


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
    """Names, commands and hashes. Raises as `render` does.

    This loop runs a million times: whatever does not change from task to task is worked out before.
    """
    names: list[str] = []
    commands: list[str] = []
    node_args: list[str] = []
    hashes: list[bytes] = []
    shared: object = None
    values: dict[str, Any] = {}
    for task in tasks:
        options = task._options
        if task._task is not shared or values.get(" options") is not options or values.get(" op") is not task._op:
            version, shared = options.version, task._task
            values = _fixed(task, version) | {" options": options, " op": task._op}
            arguments, key, pattern = version.node_args, version.key.encode(), options.name_pattern
            command = version.command
            varying = command.quoted_over(frozenset(arguments))
            where = f"a node argument of task template {version.name!r}"
        node = dict(zip(arguments, task._node, strict=True))
        values.update(node)
        try:
            body = canonical(node, where)
            commands.append(command.render_into(values, varying))
            if task._name:
                names.append(task._name)
            elif pattern is None:
                names.append(clean(version.default_name(*task._node)))
            else:
                names.append(clean(pattern.render(values)))
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise _unrenderable(task, error) from error
        node_args.append(body.decode())
        hashes.append(digest(key, body))
    _check_texts(names, commands, tasks)
    return Texts(names, commands, node_args, hashes)


def _fixed(task: Task, version: TaskTemplateVersion) -> dict[str, Any]:
    """The arguments that do not tell tasks apart, with their quoted forms."""
    shared = zip(version.task_args, task._task, strict=True)
    operational = zip(version.op_args, task._op, strict=True)
    return version.command.fixed(dict([*shared, *operational]))


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


def task_hashes(tasks: Sequence[Task], node_hashes: Sequence[bytes]) -> list[bytes]:
    """The hash of each task: its node with its task arguments."""
    found: list[bytes] = []
    shared: object = None
    version: object = None
    body = b""
    for task, node in zip(tasks, node_hashes, strict=True):
        if task._task is not shared or task._options.version is not version:
            shared, version = task._task, task._options.version
            body = canonical(task.task_args, f"a task argument of task template {task._options.version.name!r}")
        found.append(digest(node, body))
    return found
