"""Tools, their versions and their template versions: found by name, made when missing."""

import json
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.core.exceptions import InvalidToolError, InvalidToolVersionError
from jobmon.core.ids import ToolVersionId
from jobmon.core.wire import Template, ToolAnswer
from jobmon.server.db import insert_one
from jobmon.server.store.made import made_by
from jobmon.server.tables import template_version, tool, tool_version


def find_or_make_tool(
    connection: Connection, name: str, new_version: bool = False, request_id: str = ""
) -> ToolAnswer:
    """The tool of that name with all of its versions; a new tool has one version.

    The same request for a new version, made again, finds the version that it made. Raises InvalidToolError for a
    name that is none, InvalidRequest for the request_id that made a version of another tool.
    """
    if not name or len(name) > 255:
        raise InvalidToolError(f"a tool's name has 1 to 255 characters, not {len(name)}")
    tool_id = connection.execute(sa.select(tool.c.id).where(tool.c.name == name)).scalar()
    if tool_id is None:
        tool_id = insert_one(connection, tool, {"name": name})
        new_version = True
    made = made_by(connection, tool_version, request_id, tool_id=tool_id) if request_id else None
    if new_version and made is None:
        connection.execute(sa.insert(tool_version).values(tool_id=tool_id, request_id=request_id or None))
    versions = sa.select(tool_version.c.id).where(tool_version.c.tool_id == tool_id).order_by(tool_version.c.id)
    return ToolAnswer(tool_id=tool_id, version_ids=list(connection.execute(versions).scalars()))


def choose_version(connection: Connection, name: str, version_id: int | None) -> ToolVersionId:
    """The version of the tool to bind to: the given one, or the newest."""
    found = find_or_make_tool(connection, name)
    if version_id is None:
        return found.version_ids[-1]
    if version_id not in found.version_ids:
        raise InvalidToolVersionError(
            f"tool {name!r} has no version {version_id}; its versions are {found.version_ids}"
        )
    return ToolVersionId(version_id)


def find_or_make_templates(
    connection: Connection, version_id: ToolVersionId, templates: Sequence[Template]
) -> list[int]:
    """Ids of the template versions, in the order of `templates`."""
    keys = [template.key for template in templates]
    table = template_version
    known = sa.select(table.c.template_key, table.c.id).where(
        table.c.tool_version_id == version_id, table.c.template_key.in_(keys)
    )
    ids = {row.template_key: row.id for row in connection.execute(known)}
    for template in templates:
        if template.key not in ids:
            ids[template.key] = insert_one(connection, table, _template_row(version_id, template))
    return [ids[key] for key in keys]


def _template_row(version_id: int, template: Template) -> dict[str, object]:
    arguments = {"node": template.node_args, "task": template.task_args, "op": template.op_args}
    return {
        "tool_version_id": version_id,
        "name": template.name,
        "template_key": template.key,
        "command_template": template.command_template,
        "arguments": json.dumps(arguments),
    }
