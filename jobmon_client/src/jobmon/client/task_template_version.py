"""One version of a task template: a command and which of its arguments are of which kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import is_, itemgetter
from typing import TYPE_CHECKING, Any

from jobmon.client.command_template import CommandTemplate
from jobmon.client.defaults import Defaults
from jobmon.client.naming import name_pattern
from jobmon.client.options import Options
from jobmon.core.hashing import template_key

if TYPE_CHECKING:
    from jobmon.client.task_template import TaskTemplate

Values = tuple[Any, ...]
_INTERNED_OPTIONS = 10_000
_PLAIN = frozenset({str, int, bool, type(None)})


class TaskTemplateVersion:
    """What tasks of one command have in common.

    node_args, task_args and op_args are tuples of names; `id` is the version's key, the same everywhere.
    """

    def __init__(
        self,
        template: TaskTemplate,
        command_template: str,
        node_args: Iterable[str] = (),
        task_args: Iterable[str] = (),
        op_args: Iterable[str] = (),
        defaults: Defaults | None = None,
    ) -> None:
        """Raises ValueError unless each argument of the command is listed exactly once."""
        self.template = template
        self.name = template.template_name
        self.command = CommandTemplate(command_template)
        self.command_template = command_template
        self.node_args = _names(node_args, "node_args")
        self.task_args = _names(task_args, "task_args")
        self.op_args = _names(op_args, "op_args")
        _check_kinds(self)
        self.defaults = defaults or Defaults()
        self.arguments = frozenset((*self.node_args, *self.task_args, *self.op_args))
        self.key = template_key(self.name, command_template, self.node_args, self.task_args, self.op_args)
        self.pick_node = _picker(self.node_args)
        self.pick_task = _picker(self.task_args)
        self.pick_op = _picker(self.op_args)
        self.default_name = name_pattern(self.name, self.node_args).format
        self.plain_options = Options(self)
        self._options: dict[Any, Options] = {}
        self._shared: dict[str, Values] = {}

    @property
    def id(self) -> str:
        """The version's identity: the same command and arguments have the same one everywhere."""
        return self.key

    def check_arguments(self, given: Mapping[str, object]) -> None:
        """Raises ValueError, naming them, for missing and unexpected arguments."""
        if given.keys() != self.arguments:
            missing = sorted(self.arguments - given.keys())
            unexpected = sorted(given.keys() - self.arguments)
            raise ValueError(
                f"arguments of task template {self.name!r}: "
                + "; ".join(
                    f"{word} {', '.join(names)}"
                    for word, names in (("missing", missing), ("unexpected", unexpected))
                    if names
                )
                + f". It takes {', '.join(sorted(self.arguments)) or 'none'}"
            )

    def shared(self, kind: str, values: Values) -> Values:
        """The tuple that the last task had, if these values are the very same: 1, 1.0 and True are not."""
        last = self._shared.get(kind)
        if last is not None and same_values(last, values):
            return last
        self._shared[kind] = values
        return values

    def options(
        self,
        cluster_name: str,
        compute_resources: Any,
        compute_resources_callable: Any,
        resource_scales: Mapping[str, Any] | None,
        fallback_queues: Any,
        max_attempts: int | None,
    ) -> Options:
        """The options of a task; the same object for all who say the same."""
        key: Any = (
            cluster_name,
            _key(compute_resources),
            compute_resources_callable,
            _key(resource_scales),
            tuple(fallback_queues) if fallback_queues else None,
            max_attempts,
        )
        try:
            found = self._options.get(key)
        except TypeError:  # a value without a hash: nothing to look up by
            found, key = None, ()
        if found is None:
            found = Options(
                self,
                cluster_name,
                compute_resources,
                compute_resources_callable,
                resource_scales,
                fallback_queues,
                max_attempts,
            )
            if key and len(self._options) < _INTERNED_OPTIONS:
                self._options[key] = found
        return found


def same_values(left: Values, right: Values) -> bool:
    """Whether two tuples give the same text and the same hash."""
    if len(left) == len(right) and all(map(is_, left, right)):
        return True
    kinds = list(map(type, left))
    return left == right and kinds == list(map(type, right)) and _PLAIN.issuperset(kinds)


def _key(settings: Any) -> Any:
    """Something to look settings up by: their values with their types, because True is not 1 in a command."""
    if isinstance(settings, dict):
        return (tuple(settings), tuple(settings.values()), tuple(map(type, settings.values())))
    return settings


def _picker(names: tuple[str, ...]) -> Callable[[Mapping[str, Any]], Values]:
    if not names:
        return lambda _: ()
    if len(names) == 1:
        only = names[0]
        return lambda values: (values[only],)
    return itemgetter(*names)


def _names(names: Iterable[str] | None, kind: str) -> tuple[str, ...]:
    if isinstance(names, str):
        raise ValueError(f"{kind} is {names!r}; it must be a list of names: [{names!r}]")
    return tuple(names or ())


def _check_kinds(version: TaskTemplateVersion) -> None:
    listed = [*version.node_args, *version.task_args, *version.op_args]
    place = f"task template {version.name!r}"
    if "name" in listed or "name" in version.command.arguments:
        raise ValueError(f"{place} has an argument called 'name', which is the task's own name; call it otherwise")
    if twice := sorted({name for name in listed if listed.count(name) > 1}):
        raise ValueError(f"{place} lists {', '.join(twice)} more than once in node_args, task_args and op_args")
    if unlisted := sorted(version.command.arguments - set(listed)):
        raise ValueError(
            f"{place} has {', '.join(unlisted)} in its command; list each in node_args, task_args or op_args"
        )
    if unused := sorted(set(listed) - version.command.arguments):
        raise ValueError(f"{place} lists {', '.join(unused)}, which its command does not use")
