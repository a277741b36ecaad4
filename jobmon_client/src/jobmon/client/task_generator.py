"""Typed Python functions as task templates: `@task_generator` above a function makes tasks that call it.

On the node the command is `python -m jobmon.client.task_generator run --module M --func F x='1' ...`; every
value is JSON, so that it may hold anything.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import importlib.util
import inspect
import shlex
import sys
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobmon.client import typed_values
from jobmon.client.typed_values import Serializers

if TYPE_CHECKING:
    from jobmon.client.task import Attributes, Task
    from jobmon.client.task_template import TaskTemplate
    from jobmon.client.workflow import Workflow

NameFunction = Callable[[str, dict[str, Any]], str]

_RESERVED = frozenset(
    {"name", "python", "source", "max_attempts", "compute_resources_callable", "fallback_queues"}
)


def task_generator(
    serializers: Serializers | None = None,
    tool_name: str = "",
    naming_args: Sequence[str] | None = None,
    max_attempts: int | None = None,
    module_source_path: str | Path | None = None,
    name_func: NameFunction | None = None,
    default_cluster_name: str = "",
    default_compute_resources: Mapping[str, Any] | None = None,
    default_resource_scales: Mapping[str, Any] | None = None,
    yaml_file: str | Path | None = None,
) -> Callable[[Callable[..., Any]], TaskGenerator]:
    """Make a task template of the function below.

    serializers         {Type: (to_text, from_text)} for types of your own
    naming_args         the arguments that a task's name shows; all of them unless given
    module_source_path  the file of the function's module when it cannot be imported by its name on the node
    name_func           makes a task's name of the function's name and the arguments to show
    The other parameters are those of `Tool.get_task_template`. All arguments of the function are node_args.
    """

    def decorate(function: Callable[..., Any]) -> TaskGenerator:
        return TaskGenerator(
            function,
            serializers or {},
            tool_name,
            naming_args,
            max_attempts,
            module_source_path,
            name_func,
            default_cluster_name,
            default_compute_resources,
            default_resource_scales,
            yaml_file,
        )

    return decorate


class TaskGenerator:
    """A function of which tasks are made; calling it calls the function itself, here and now."""

    def __init__(
        self,
        task_function: Callable[..., Any],
        serializers: Serializers,
        tool_name: str,
        naming_args: Sequence[str] | None = None,
        max_attempts: int | None = None,
        module_source_path: str | Path | None = None,
        name_func: NameFunction | None = None,
        default_cluster_name: str = "",
        default_compute_resources: Mapping[str, Any] | None = None,
        default_resource_scales: Mapping[str, Any] | None = None,
        yaml_file: str | Path | None = None,
    ) -> None:
        """Nothing is looked at before the first task is made, so that a node imports it without a server."""
        functools.update_wrapper(self, task_function)
        self.task_function = task_function
        self.serializers = dict(serializers)
        self.tool_name = tool_name
        self._naming_args = naming_args
        self._max_attempts = max_attempts
        self._module_source_path = module_source_path
        self._name_func = name_func
        self._template_options: dict[str, Any] = {
            "default_cluster_name": default_cluster_name,
            "default_compute_resources": default_compute_resources,
            "default_resource_scales": default_resource_scales,
            "yaml_file": yaml_file,
            "max_attempts": max_attempts,
        }

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return self.task_function(*args, **kwargs)

    @property
    def name(self) -> str:
        """The function's name, which is the template's too."""
        return self.task_function.__name__

    @functools.cached_property
    def params(self) -> dict[str, Any]:
        """The annotation of each argument. Raises TypeError for one without, or for *args and **kwargs."""
        hints = typing.get_type_hints(self.task_function)
        found = {}
        for name, parameter in inspect.signature(self.task_function).parameters.items():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or name not in hints:
                raise TypeError(
                    f"argument {name!r} of {self.name}() needs a type: write {name}: int, or whatever it is"
                )
            found[name] = hints[name]
        return found

    @functools.cached_property
    def task_template(self) -> TaskTemplate:
        """The template that its tasks are made of."""
        from jobmon.client.tool import Tool

        module, source = self._module()
        words = [
            "{python!q} -m jobmon.client.task_generator run",
            "--module",
            _escaped(module),
            "--func",
            _escaped(self.name),
        ]
        if source:
            words.append("--source {source!q}")
        words += [f"{name}={{{_held(name)}!q}}" for name in self.params]
        return Tool(self.tool_name).get_task_template(
            template_name=self.name,
            command_template=" ".join(words),
            node_args=[_held(name) for name in self.params],
            op_args=["python", "source"] if source else ["python"],
            **self._template_options,
        )

    # --- values ---------------------------------------------------------------------------------------------

    def serialize(self, obj: Any, expected_type: Any) -> str:
        """The value as text. Raises TypeError when it is not of that type."""
        return typed_values.serialize(obj, expected_type, self.serializers)

    def deserialize(self, obj: str, obj_type: Any) -> Any:
        """The value that the text was made of."""
        return typed_values.deserialize(obj, obj_type, self.serializers)

    def serialize_array(self, array: Iterable[Any], expected_type: Any) -> list[str]:
        """Each value as text."""
        return [self.serialize(value, expected_type) for value in array]

    # --- tasks ----------------------------------------------------------------------------------------------

    def create_task(
        self,
        cluster_name: str = "",
        compute_resources: Mapping[str, Any] | None = None,
        resource_scales: Mapping[str, Any] | None = None,
        upstream_tasks: Iterable[Task] = (),
        task_attributes: Attributes | None = None,
        **kwargs: Any,
    ) -> Task:
        """A task that calls the function with these arguments.

        An argument left out has the function's default, or None where that is allowed. Raises ValueError for
        one that is missing or unknown, TypeError for a value of another type.
        """
        values = self._complete(kwargs)
        arguments: dict[str, Any] = {_held(name): self._text(name, value) for name, value in values.items()}
        return self.task_template.create_task(
            name=self._task_name(values),
            cluster_name=cluster_name,
            compute_resources=compute_resources,
            resource_scales=resource_scales,
            upstream_tasks=upstream_tasks,
            task_attributes=task_attributes or {},
            **self._fixed(),
            **arguments,
        )

    def create_tasks(
        self,
        cluster_name: str = "",
        compute_resources: Mapping[str, Any] | None = None,
        resource_scales: Mapping[str, Any] | None = None,
        upstream_tasks: Iterable[Task] | None = None,
        **kwargs: Any,
    ) -> list[Task]:
        """A task for each combination of the arguments.

        A value of the argument's own type is one value; any other iterable is taken as many: for `y: list[str]`
        is ["a", "b"] one value, and [["a"], ["b"]] two.
        """
        upstreams = tuple(upstream_tasks or ())
        columns = {name: self._several(name, value) for name, value in self._complete(kwargs).items()}
        return [
            self.create_task(
                cluster_name,
                compute_resources,
                resource_scales,
                upstreams,
                **dict(zip(columns, values, strict=True)),
            )
            for values in product(*columns.values())
        ]

    def run(self, args: Sequence[str]) -> Any:
        """Call the function with arguments as they stand in a command: ["x=1", 'y=["a"]']."""
        given = dict(word.split("=", 1) for word in args)
        if wrong := given.keys() ^ self.params.keys():
            raise ValueError(
                f"{self.name}() takes {', '.join(self.params)}; wrong or missing: {', '.join(sorted(wrong))}"
            )
        return self.task_function(
            **{name: self.deserialize(text, self.params[name]) for name, text in given.items()}
        )

    def help(self) -> None:
        """Print what it takes."""
        print(f"{self.name}{inspect.signature(self.task_function)}")
        print(inspect.getdoc(self.task_function) or "")

    def _complete(self, given: Mapping[str, Any]) -> dict[str, Any]:
        if unknown := sorted(given.keys() - self.params.keys()):
            raise ValueError(
                f"{self.name}() has no argument {', '.join(unknown)}; it takes {', '.join(self.params)}"
            )
        values = {}
        for name, parameter in inspect.signature(self.task_function).parameters.items():
            if name in given:
                values[name] = given[name]
            elif parameter.default is not parameter.empty:
                values[name] = parameter.default
            elif typed_values.fits(None, self.params[name], self.serializers):
                values[name] = None
            else:
                raise ValueError(f"{self.name}() needs a value for {name!r}")
        return values

    def _text(self, name: str, value: Any) -> str:
        try:
            return self.serialize(value, self.params[name])
        except TypeError as error:
            raise TypeError(f"argument {name!r} of {self.name}(): {error}") from error

    def _several(self, name: str, value: Any) -> list[Any]:
        if typed_values.fits(value, self.params[name], self.serializers) or not isinstance(value, Iterable):
            return [value]
        return list(value)

    def _task_name(self, values: Mapping[str, Any]) -> str:
        from jobmon.client.naming import clean

        names = values if self._naming_args is None else self._naming_args
        shown = {name: values[name] for name in names}
        if self._name_func is not None:
            return clean(self._name_func(self.name, shown))
        return clean("_".join([self.name, *(f"{name}-{value}" for name, value in shown.items())]))

    def _fixed(self) -> dict[str, Any]:
        _, source = self._module()
        return {"python": sys.executable, "source": source} if source else {"python": sys.executable}

    def _module(self) -> tuple[str, str]:
        """The name of the function's module, and its file when the name alone may not find it on the node."""
        module = self.task_function.__module__
        path = self._module_source_path or (
            inspect.getsourcefile(self.task_function) if "." not in module else None
        )
        if module == "__main__" and path:
            module = Path(path).stem
        return module, str(Path(path).resolve()) if path else ""


def get_tasks_by_node_args(
    workflow: Workflow,
    task_generator: TaskGenerator,
    node_args_dict: Mapping[str, Any],
    error_on_empty: bool = True,
) -> list[Task]:
    """The tasks of a function with these arguments, each one value or a list of values.

    Raises ValueError when there is none, unless `error_on_empty` is False.
    """
    wanted = {
        _held(name): task_generator.serialize_array(
            task_generator._several(name, value), task_generator.params[name]
        )
        for name, value in node_args_dict.items()
    }
    found = workflow.get_tasks_by_node_args(task_generator.name, **wanted)
    if not found and error_on_empty:
        raise ValueError(f"{workflow!r} has no task of {task_generator.name}() with {dict(node_args_dict)!r}")
    return found


def _held(name: str) -> str:
    """The template's argument for an argument of the function; some names mean something to templates."""
    return f"{name}_" if name in _RESERVED else name


def _escaped(word: str) -> str:
    return shlex.quote(word).replace("{", "{{").replace("}", "}}")


# --- on the node --------------------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> None:
    """`python -m jobmon.client.task_generator run --module M --func F [--source FILE] k=json ...`"""
    parser = argparse.ArgumentParser(prog="python -m jobmon.client.task_generator")
    parser.add_argument("command", choices=["run"])
    parser.add_argument("--module", "--module_name", required=True)
    parser.add_argument("--func", "--func_name", required=True)
    parser.add_argument("--source", "--module_source_path", help="the module's file")
    parser.add_argument("arguments", nargs="*", metavar="NAME=JSON")
    options = parser.parse_intermixed_args(argv)
    found = getattr(_load(options.module, options.source), options.func)
    found.run(options.arguments)


def _load(module: str, source: str | None) -> Any:
    if not source:
        return importlib.import_module(module)
    sys.path.insert(0, str(Path(source).parent))
    spec = importlib.util.spec_from_file_location(module, source)
    if spec is None or spec.loader is None:
        raise ImportError(f"{source} is not a Python file")
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[module] = loaded
    spec.loader.exec_module(loaded)
    return loaded


if __name__ == "__main__":
    main()
