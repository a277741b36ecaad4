"""Tools: the project that workflows and task templates belong to."""

from __future__ import annotations

import getpass
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jobmon.client import defaults
from jobmon.client.connection import Connection, connect
from jobmon.client.defaults import Defaults, Settings, checked_attempts
from jobmon.client.options import checked_scales
from jobmon.client.task_template import TaskTemplate
from jobmon.client.workflow import Workflow
from jobmon.core import routes, wire
from jobmon.core.constants import MAX_CONCURRENTLY_RUNNING
from jobmon.core.exceptions import InvalidToolError, InvalidToolVersionError
from jobmon.core.ids import ToolVersionId

__all__ = ["InvalidToolError", "InvalidToolVersionError", "Tool", "ToolVersion"]

LONGEST_NAME = 255


class ToolVersion:
    """A version of a tool: nothing but an id, which parts the workflows of one version from those of another."""

    def __init__(self, tool: Tool, version_id: ToolVersionId | None) -> None:
        """`version_id` None is the newest one, whichever that is when a workflow is bound."""
        self.tool = tool
        self.pinned_id = version_id
        self.task_templates: dict[str, TaskTemplate] = {}

    @property
    def id(self) -> ToolVersionId:
        """The id; the server is asked if it is "latest"."""
        return self.pinned_id if self.pinned_id is not None else self.tool.ask_versions().version_ids[-1]

    def __repr__(self) -> str:
        """Tool and version."""
        return f"<ToolVersion {self.pinned_id or 'latest'} of {self.tool.name!r}>"


class Tool:
    """Known by its name: the same name is the same tool. Nothing is sent before something needs an id."""

    def __init__(
        self, name: str = "", active_tool_version_id: str | int = "latest", requester: Connection | None = None
    ) -> None:
        """Without a name it is called `unknown-<user>`. Raises InvalidToolError for an unusable name.

        The embedded server, when no other is configured, begins to start in the background.
        """
        self.name = _checked_name(name or f"unknown-{getpass.getuser()}")
        self.connection = requester or connect()
        self.connection.prewarm()
        self.defaults = Defaults()
        self._versions: dict[ToolVersionId | None, ToolVersion] = {}
        self._active = self._version(_checked_version(active_tool_version_id))

    # --- versions -------------------------------------------------------------------------------------------

    def get_new_tool_version(self) -> int:
        """Add a version to the tool, make it active, print its id and return it."""
        newest = self.ask_versions(new_version=True).version_ids[-1]
        self._active = self._version(newest)
        print(f"Tool {self.name!r} has a new version: {newest}")
        return newest

    def set_active_tool_version_id(self, tool_version_id: str | int) -> None:
        """Choose the version of workflows that are made from now on: "latest" or an id.

        Raises InvalidToolVersionError when the tool has no such version.
        """
        wanted = _checked_version(tool_version_id)
        if wanted is not None and wanted not in (known := self.ask_versions().version_ids):
            raise InvalidToolVersionError(
                f"tool {self.name!r} has no version {wanted}; it has {', '.join(map(str, known))}"
            )
        self._active = self._version(wanted)

    @property
    def active_tool_version(self) -> ToolVersion:
        """The version of workflows that are made now; its `id` asks the server."""
        return self._active

    def ask_versions(self, new_version: bool = False) -> wire.ToolAnswer:
        """The tool and its versions as the server has them."""
        sent = wire.ToolRequest(name=self.name, new_version=new_version, request_id=uuid.uuid4().hex)
        return self.connection.server.call(routes.TOOL, sent)

    def _version(self, version_id: ToolVersionId | None) -> ToolVersion:
        return self._versions.setdefault(version_id, ToolVersion(self, version_id))

    # --- templates and workflows ----------------------------------------------------------------------------

    @property
    def active_task_templates(self) -> dict[str, TaskTemplate]:
        """The task templates made so far, by name."""
        return self._active.task_templates

    def get_task_template(
        self,
        template_name: str,
        command_template: str,
        node_args: Iterable[str] | None = None,
        task_args: Iterable[str] | None = None,
        op_args: Iterable[str] | None = None,
        default_cluster_name: str = "",
        default_compute_resources: Mapping[str, Any] | None = None,
        default_resource_scales: Mapping[str, Any] | None = None,
        yaml_file: str | Path | None = None,
        max_attempts: int | None = None,
    ) -> TaskTemplate:
        """The template of that name, with this command as its active version.

        command_template  a `str.format` template; `{x!q}` quotes x for the shell
        node_args         arguments that tell the template's tasks apart
        task_args         arguments that say which data a task works on
        op_args           arguments that may change without making it another task
        yaml_file         defaults from `task_template_resources:` and `task_template_scales:`; the
                          defaults given here win over the file's
        Raises ValueError unless each argument of the command is listed exactly once, KeyError when the file
        has nothing for this template.
        """
        template = self.active_task_templates.get(template_name)
        if template is None:
            template = TaskTemplate(template_name)
            template.bind(self._active)
            self.active_task_templates[template_name] = template
        version = template.get_task_template_version(
            command_template,
            node_args,
            task_args,
            op_args,
            default_cluster_name,
            default_max_attempts=max_attempts,
        )
        if yaml_file:
            version.defaults.read_template_yaml(yaml_file, template_name)
        if default_compute_resources:
            version.defaults.update_compute_resources(default_cluster_name, default_compute_resources)
        if default_resource_scales:
            version.defaults.update_resource_scales(default_cluster_name, checked_scales(default_resource_scales))
        return template

    def create_workflow(
        self,
        workflow_args: str = "",
        name: str = "",
        description: str = "",
        workflow_attributes: Mapping[str, Any] | Iterable[str] | None = None,
        max_concurrently_running: int = MAX_CONCURRENTLY_RUNNING,
        chunk_size: int = 500,
        default_cluster_name: str = "",
        default_compute_resources_set: Mapping[str, Mapping[str, Any]] | None = None,
        default_resource_scales_set: Mapping[str, Mapping[str, Any]] | None = None,
        default_max_attempts: int | None = None,
    ) -> Workflow:
        """A new, empty workflow.

        `workflow_args` is what makes it the same workflow next time, so that it can be resumed; without it
        every workflow is a new one. Defaults are by cluster: {"local": {"memory": "2G"}}.
        """
        workflow = Workflow(
            self._active,
            workflow_args,
            name,
            description,
            workflow_attributes,
            max_concurrently_running,
            chunk_size=chunk_size,
        )
        workflow.defaults = Defaults(
            default_cluster_name,
            default_compute_resources_set,
            default_resource_scales_set,
            default_max_attempts,
        )
        return workflow

    # --- defaults -------------------------------------------------------------------------------------------

    @property
    def default_cluster_name(self) -> str:
        """The cluster of tasks that name none."""
        return self.defaults.cluster_name

    @property
    def default_compute_resources_set(self) -> dict[str, Settings]:
        """Default resources by cluster."""
        return self.defaults.compute_resources

    @property
    def default_resource_scales_set(self) -> dict[str, Settings]:
        """Default scales by cluster."""
        return self.defaults.resource_scales

    @property
    def default_max_attempts(self) -> int | None:
        """How often tasks are tried that do not say."""
        return self.defaults.max_attempts

    def set_default_cluster_name(self, cluster_name: str) -> None:
        """Set the cluster of tasks that name none."""
        self.defaults.cluster_name = cluster_name

    set_default_clu = set_default_cluster_name

    def set_default_max_attempts(self, value: int) -> None:
        """Set how often tasks are tried that do not say."""
        self.defaults.max_attempts = checked_attempts(value)

    def update_default_compute_resources(self, cluster_name: str, **kwargs: Any) -> None:
        """Change default resources of a cluster, key by key."""
        self.defaults.update_compute_resources(cluster_name, kwargs)

    def update_default_resource_scales(self, cluster_name: str, **kwargs: Any) -> None:
        """Change default scales of a cluster, key by key."""
        self.defaults.update_resource_scales(cluster_name, checked_scales(kwargs))

    def set_default_compute_resources_from_dict(
        self, cluster_name: str, compute_resources: Mapping[str, Any]
    ) -> None:
        """Replace default resources of a cluster."""
        self.defaults.set_compute_resources(cluster_name, compute_resources)

    def set_default_resource_scales_from_dict(self, cluster_name: str, resource_scales: Mapping[str, Any]) -> None:
        """Replace default scales of a cluster."""
        self.defaults.set_resource_scales(cluster_name, checked_scales(resource_scales))

    def set_default_compute_resources_from_yaml(
        self,
        default_cluster_name: str,
        yaml_file: str | Path,
        set_task_templates: bool = False,
        ignore_missing_keys: bool = False,
    ) -> None:
        """Take default resources from the file's `tool_resources: {<cluster>: ...}`.

        With `set_task_templates`, every active template takes its own from `task_template_resources:`. Raises
        KeyError for what is not in the file, unless `ignore_missing_keys`.
        """
        self.defaults.compute_resources |= defaults.read_section(
            yaml_file, "tool_resources", default_cluster_name, ignore_missing=ignore_missing_keys
        )
        for template in self.active_task_templates.values() if set_task_templates else ():
            template.set_default_compute_resources_from_yaml(yaml_file, default_cluster_name, ignore_missing_keys)

    def set_default_resource_scales_from_yaml(
        self,
        default_cluster_name: str,
        yaml_file: str | Path,
        set_task_templates: bool = False,
        ignore_missing_keys: bool = False,
    ) -> None:
        """Take default scales from the file's `tool_scales: {<cluster>: ...}`; otherwise as for resources."""
        self.defaults.resource_scales |= defaults.read_section(
            yaml_file, "tool_scales", default_cluster_name, ignore_missing=ignore_missing_keys
        )
        for template in self.active_task_templates.values() if set_task_templates else ():
            template.set_default_resource_scales_from_yaml(yaml_file, default_cluster_name, ignore_missing_keys)

    def __repr__(self) -> str:
        """Its name."""
        return f"<Tool {self.name!r}>"


def _checked_name(name: str) -> str:
    if not isinstance(name, str) or len(name) > LONGEST_NAME or not name.isprintable():
        raise InvalidToolError(f"{name!r} is not a name for a tool: give 1 to {LONGEST_NAME} printable characters")
    return name


def _checked_version(version_id: str | int) -> ToolVersionId | None:
    if version_id == "latest":
        return None
    if isinstance(version_id, bool) or not str(version_id).isdecimal():
        raise InvalidToolVersionError(f"tool version {version_id!r} is neither 'latest' nor an id")
    return ToolVersionId(int(version_id))
