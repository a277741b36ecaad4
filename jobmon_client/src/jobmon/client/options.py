"""What one call of `create_task` or `create_tasks` said about its tasks, kept once for all that share it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any

from jobmon.client.command_template import CommandTemplate
from jobmon.client.defaults import Settings, checked_attempts, checked_settings
from jobmon.core.resources import Resources

if TYPE_CHECKING:
    from jobmon.client.array import Array
    from jobmon.client.task_template_version import TaskTemplateVersion

ResourcesCallable = Callable[[], dict[str, Any]]


class Options:
    """Immutable by agreement: whoever changes a task's options gives it a changed copy."""

    __slots__ = (
        "array",
        "cluster_name",
        "compute_resources",
        "compute_resources_callable",
        "fallback_queues",
        "max_attempts",
        "name_pattern",
        "resource_scales",
        "version",
    )

    def __init__(
        self,
        version: TaskTemplateVersion,
        cluster_name: str = "",
        compute_resources: Mapping[str, Any] | ResourcesCallable | None = None,
        compute_resources_callable: ResourcesCallable | None = None,
        resource_scales: Mapping[str, Any] | None = None,
        fallback_queues: Sequence[str] | None = None,
        max_attempts: int | None = None,
        array: Array | None = None,
        name_pattern: CommandTemplate | None = None,
    ) -> None:
        """Raises ValueError (or one of its kinds) for whatever no cluster could understand."""
        if callable(compute_resources):
            compute_resources, compute_resources_callable = None, compute_resources
        if compute_resources_callable is not None and not callable(compute_resources_callable):
            raise ValueError(
                f"compute_resources_callable is {compute_resources_callable!r}, which cannot be called"
            )
        self.version = version
        self.cluster_name = cluster_name or ""
        self.compute_resources = checked_settings(compute_resources or {}, "compute_resources")
        Resources.parse(self.compute_resources)
        self.compute_resources_callable = compute_resources_callable
        self.resource_scales = checked_scales(resource_scales or {})
        self.fallback_queues = _queues(fallback_queues)
        self.max_attempts = None if max_attempts is None else checked_attempts(max_attempts)
        self.array = array
        self.name_pattern = name_pattern

    def changed(self, **changes: Any) -> Options:
        """A copy in which some things are different."""
        values = {name: getattr(self, name) for name in self.__slots__} | changes
        return Options(**values)


def checked_scales(scales: Mapping[str, Any]) -> Settings:
    """A copy of the scales. Raises ValueError for one that is no number, callable, iterator or list."""
    for key, scale in checked_settings(scales, "resource_scales").items():
        if isinstance(scale, bool) or not (isinstance(scale, Real | Iterator | list | tuple) or callable(scale)):
            raise ValueError(
                f"resource_scales[{key!r}] is {scale!r}; it must be a number (0.5 adds a half), "
                "a callable or an iterator"
            )
    return dict(scales)


def _queues(queues: Sequence[str] | None) -> tuple[str, ...]:
    if isinstance(queues, str):
        raise ValueError(f"fallback_queues is {queues!r}; it must be a list of names: [{queues!r}]")
    return tuple(queues or ())
