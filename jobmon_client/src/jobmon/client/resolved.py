"""What tasks come to once all defaults are merged in: array, resources, attempts; once for each `Options`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from jobmon.client import defaults
from jobmon.client.clusters import Clusters
from jobmon.client.options import Options
from jobmon.core import wire
from jobmon.core.exceptions import InvalidResources, JobmonError
from jobmon.core.resources import QueueLimits, Resources, check_limits, draw_scales, fit

if TYPE_CHECKING:
    from jobmon.client.workflow import Workflow


class Resolved(NamedTuple):
    """Indices into the lists of `wire.BindRequest`, and the rest of what tasks share."""

    array: int
    resources: int
    max_attempts: int
    deferred: bool


class Resolver(dict[Options, Resolved]):
    """`resolver[options]`; each `Options` is worked out once. `templates` and `resources` grow meanwhile."""

    def __init__(self, workflow: Workflow, clusters: Clusters, strict: bool = True) -> None:
        """`strict`: a resource that no queue gives is an error; otherwise it is cut to what the queue gives."""
        super().__init__()
        self.resources: list[wire.TaskResources] = []
        self._workflow = workflow
        self._clusters = clusters
        self._strict = strict
        self._arrays = {name: index for index, name in enumerate(workflow.arrays)}
        self._known: dict[bytes, int] = {}

    def __missing__(self, options: Options) -> Resolved:
        """Work it out. Raises InvalidResources, UnknownCluster and their kinds, naming the template."""
        levels = [options.version.defaults, *self._workflow.default_levels]
        attempts = defaults.max_attempts_of(options.max_attempts, levels)
        try:
            resources = self._intern(self._task_resources(options, levels, attempts, {}))
        except JobmonError as error:
            raise type(error)(f"task template {options.version.name!r}: {error}") from error
        array = self._arrays[options.array.name if options.array else options.version.name]
        found = Resolved(array, resources, attempts, options.compute_resources_callable is not None)
        self[options] = found
        return found

    @property
    def queues(self) -> dict[str, list[QueueLimits]]:
        """The queues of all clusters that were named so far."""
        names = {resources.cluster for resources in self.resources}
        return {name: list(queues.values()) for name in sorted(names) if (queues := self._clusters.queues(name))}

    def computed(self, options: Options, values: Mapping[str, Any]) -> wire.TaskResources:
        """The resources of a task whose callable gave these values."""
        levels = [options.version.defaults, *self._workflow.default_levels]
        attempts = defaults.max_attempts_of(options.max_attempts, levels)
        return self._task_resources(options, levels, attempts, values)

    def _task_resources(
        self, options: Options, levels: list[defaults.Defaults], attempts: int, computed: Mapping[str, Any]
    ) -> wire.TaskResources:
        name = defaults.cluster_name_of(options.cluster_name, levels)
        merged = defaults.compute_resources_of(options.compute_resources, levels, name) | dict(computed)
        queues = self._clusters.queues(name)
        requested = self._placed(Resources.parse(merged), options.fallback_queues, queues, name)
        if wrong := self._clusters.check(name, requested):
            raise InvalidResources(f"{'; '.join(wrong)}, on cluster {name!r}")
        scales = defaults.resource_scales_of(options.resource_scales, levels, name)
        return wire.TaskResources(
            cluster=name,
            requested=requested,
            scales=draw_scales(requested, self._replayable(scales, attempts - 1), attempts - 1),
            fallback_queues=list(options.fallback_queues),
        )

    def _placed(
        self, requested: Resources, fallback: tuple[str, ...], queues: dict[str, QueueLimits], cluster: str
    ) -> Resources:
        """The resources on the queue where they fit; the cluster's first queue if they name none."""
        if not queues:
            return requested
        wanted = [requested.queue or next(iter(queues)), *fallback]
        if unknown := [name for name in wanted if name not in queues]:
            raise InvalidResources(
                f"cluster {cluster!r} has no queue {', '.join(map(repr, unknown))}; it has {', '.join(queues)}"
            )
        limits = [queues[name] for name in wanted]
        excess = [problem for queue in limits for problem in check_limits(requested, queue)]
        if self._strict and excess and all(check_limits(requested, queue) for queue in limits):
            raise InvalidResources(
                f"{'; '.join(excess)}, on cluster {cluster!r}. Ask for less or name another queue"
            )
        return fit(requested, limits)

    def _replayable(self, scales: Mapping[str, Any], attempts: int) -> dict[str, Any]:
        """The scales with iterators drawn into lists, which several tasks and a second bind can read again."""
        return {
            key: self._workflow.drawn(scale, attempts) if isinstance(scale, Iterator) else scale
            for key, scale in scales.items()
        }

    def _intern(self, resources: wire.TaskResources) -> int:
        key = msgspec.json.encode(resources, order="deterministic")
        index = self._known.setdefault(key, len(self.resources))
        if index == len(self.resources):
            self.resources.append(resources)
        return index


def draw(iterator: Iterator[Any], drawn: list[Any], count: int) -> list[Any]:
    """The first `count` values of an iterator of which some were drawn before."""
    drawn += islice(iterator, max(0, count - len(drawn)))
    return drawn[:count]
