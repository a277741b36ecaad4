"""What holds for a task when the task itself does not say: Task > Array > TaskTemplate > Workflow > Tool.

The nearest level that names a key wins, key by key, each cluster for itself.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

MAX_ATTEMPTS = 3
CLUSTER_NAME = "local"
RESOURCE_SCALES: dict[str, Any] = {"memory": 0.5, "runtime": 0.5}

Settings = dict[str, Any]


class Defaults:
    """What a tool, a workflow or a task template says about its tasks. The cluster "" stands for any."""

    __slots__ = ("cluster_name", "compute_resources", "max_attempts", "resource_scales")

    def __init__(
        self,
        cluster_name: str = "",
        compute_resources: Mapping[str, Mapping[str, Any]] | None = None,
        resource_scales: Mapping[str, Mapping[str, Any]] | None = None,
        max_attempts: int | None = None,
    ) -> None:
        """Resources and scales are by cluster; they are copied."""
        self.cluster_name = cluster_name
        self.compute_resources = _copied(compute_resources, "default compute resources")
        self.resource_scales = _copied(resource_scales, "default resource scales")
        self.max_attempts = max_attempts if max_attempts is None else checked_attempts(max_attempts)

    def set_compute_resources(self, cluster_name: str, values: Mapping[str, Any]) -> None:
        """Replace what holds for a cluster."""
        self.compute_resources[cluster_name] = checked_settings(values, "default compute resources")

    def set_resource_scales(self, cluster_name: str, values: Mapping[str, Any]) -> None:
        """Replace what holds for a cluster."""
        self.resource_scales[cluster_name] = checked_settings(values, "default resource scales")

    def update_compute_resources(self, cluster_name: str, values: Mapping[str, Any]) -> None:
        """Change what holds for a cluster, key by key."""
        self.set_compute_resources(cluster_name, {**self.compute_resources.get(cluster_name, {}), **values})

    def update_resource_scales(self, cluster_name: str, values: Mapping[str, Any]) -> None:
        """Change what holds for a cluster, key by key."""
        self.set_resource_scales(cluster_name, {**self.resource_scales.get(cluster_name, {}), **values})

    def read_template_yaml(self, file: str | Path, template_name: str) -> None:
        """Take what the file has for a template. Raises KeyError when it has neither resources nor scales."""
        content = read_yaml(file)
        resources = (content.get("task_template_resources") or {}).get(template_name)
        scales = (content.get("task_template_scales") or {}).get(template_name)
        if resources is None and scales is None:
            raise KeyError(
                f"{file} has nothing for the task template {template_name!r}, neither in task_template_resources: "
                "nor in task_template_scales:"
            )
        self.compute_resources |= by_cluster(resources, f"{file}: {template_name}", "")
        self.resource_scales |= by_cluster(scales, f"{file}: {template_name}", "")


def checked_attempts(value: object) -> int:
    """The number of attempts, if it is one. Raises ValueError."""
    if (
        isinstance(value, bool)
        or not hasattr(value, "__index__")
        or not 1 <= (count := value.__index__()) <= 32767
    ):
        raise ValueError(f"max_attempts is {value!r}; it must be a whole number from 1 to 32767")
    return int(count)


def checked_settings(value: object, what: str) -> Settings:
    """A copy of a mapping with names as keys. Raises ValueError for anything else."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"{what} are {value!r}; they must be a dict of names and values")
    return dict(value)


def cluster_name_of(own: str, levels: Iterable[Defaults]) -> str:
    """The name of the cluster; `levels` are from the nearest to the farthest."""
    return own or next((level.cluster_name for level in levels if level.cluster_name), CLUSTER_NAME)


def max_attempts_of(own: int | None, levels: Iterable[Defaults]) -> int:
    """How often a task is tried."""
    if own is not None:
        return own
    return next((level.max_attempts for level in levels if level.max_attempts is not None), MAX_ATTEMPTS)


def compute_resources_of(own: Settings, levels: Iterable[Defaults], cluster_name: str) -> Settings:
    """The compute resources, merged key by key."""
    return _merged(own, [level.compute_resources for level in levels], cluster_name, {})


def resource_scales_of(own: Settings, levels: Iterable[Defaults], cluster_name: str) -> Settings:
    """The scales, merged key by key; the last word is that memory and runtime grow by a half."""
    return _merged(own, [level.resource_scales for level in levels], cluster_name, RESOURCE_SCALES)


def _merged(own: Settings, levels: list[dict[str, Settings]], cluster_name: str, last: Settings) -> Settings:
    merged = dict(last)
    for level in reversed(levels):
        merged |= level.get("", {})
        merged |= level.get(cluster_name, {})
    return merged | own


def _copied(by_cluster: Mapping[str, Mapping[str, Any]] | None, what: str) -> dict[str, Settings]:
    if not isinstance(by_cluster or {}, Mapping):
        raise ValueError(f"{what} are {by_cluster!r}; they must be a dict of clusters: {{'NAME': {{...}}}}")
    return {name: checked_settings(values, f"{what} of {name!r}") for name, values in (by_cluster or {}).items()}


# --- YAML files ---------------------------------------------------------------------------------------------


def read_yaml(file: str | Path) -> dict[str, Any]:
    """The file's content. Raises ValueError when it is not a mapping of sections."""
    import yaml

    content = yaml.safe_load(Path(file).expanduser().read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"{file} must hold sections such as tool_resources: and task_template_resources:")
    return content


def by_cluster(
    content: object, path: str, cluster_name: str, *, ignore_missing: bool = False
) -> dict[str, Settings]:
    """The clusters of one section.

    Raises KeyError when `cluster_name` (if it is given) is not among them, unless that is to be ignored.
    """
    found = _copied(content, path) if isinstance(content, Mapping) else {}
    if cluster_name and cluster_name not in found and not ignore_missing:
        raise KeyError(
            f"{path} has no entry for the cluster {cluster_name!r}; it has {', '.join(found) or 'none'}"
        )
    return found


def read_section(
    file: str | Path, section: str, cluster_name: str, *, ignore_missing: bool = False
) -> dict[str, Settings]:
    """The clusters of a section of a file, as `by_cluster`. Raises KeyError when there is no such section."""
    content = read_yaml(file)
    if section not in content and not ignore_missing:
        raise KeyError(f"{file} has no section {section}:; it has {', '.join(map(str, content)) or 'none'}")
    return by_cluster(content.get(section), f"{file}: {section}", cluster_name, ignore_missing=ignore_missing)


def read_template_section(
    file: str | Path, section: str, template_name: str, cluster_name: str, ignore_missing: bool = False
) -> dict[str, Settings]:
    """The clusters of a template's entry in a section of a file, as `read_section`."""
    templates = read_yaml(file).get(section) or {}
    if template_name not in templates and not ignore_missing:
        known = ", ".join(map(str, templates)) or "none"
        raise KeyError(f"{file} has nothing for the task template {template_name!r} in {section}:; it has {known}")
    path = f"{file}: {section}: {template_name}"
    return by_cluster(templates.get(template_name), path, cluster_name, ignore_missing=ignore_missing)
