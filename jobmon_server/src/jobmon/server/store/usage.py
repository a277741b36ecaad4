"""What tasks of a template really used, for those who choose resources for the next ones."""

from collections.abc import Collection, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from jobmon.core.exceptions import InvalidRequest, NotFound
from jobmon.core.wire import UsageAnswer, UsageQuery
from jobmon.server import tables
from jobmon.server.store.outputs import read_resources


def usage(connection: Connection, query: UsageQuery, owners: Collection[str] | None = None) -> UsageAnswer:
    """Columns with one entry for each task of the template that is done, in workflows of `owners` (None: of all).

    A key that was never bound has no usage; an id that does not exist raises NotFound.
    """
    arrays = _arrays(connection, query, owners)
    task, spec, instance = tables.task, tables.task_spec, tables.task_instance
    result, batch, resources = tables.attempt_result, tables.batch, tables.resources
    rows = connection.execute(  # ix_task_pick, ix_instance_task
        sa.select(spec.c.node_args, result.c.peak_memory_bytes, result.c.wall_seconds, resources.c.requested)
        .join_from(task, spec, spec.c.task_id == task.c.id)
        .join(instance, sa.and_(instance.c.task_id == task.c.id, instance.c.status == "D"))
        .join(result, result.c.task_instance_id == instance.c.id)
        .join(batch, batch.c.id == instance.c.batch_id)
        .join(resources, resources.c.id == batch.c.resources_id)
        .where(task.c.array_id.in_(arrays), task.c.status == "D")
        .order_by(task.c.id)
    ).all()
    return UsageAnswer(
        node_args=[row.node_args for row in rows],
        peak_memory_bytes=[row.peak_memory_bytes for row in rows],
        wall_seconds=[row.wall_seconds for row in rows],
        requested_memory_bytes=[read_resources(row.requested).memory_bytes for row in rows],
    )


def _arrays(connection: Connection, query: UsageQuery, owners: Collection[str] | None) -> Sequence[int]:
    array = tables.array
    rows = sa.select(array.c.id).where(array.c.template_version_id.in_(_template_versions(connection, query)))
    if query.workflow_id:
        rows = rows.where(array.c.workflow_id.in_(query.workflow_id))
    if owners is not None:
        workflow = tables.workflow
        rows = rows.join(workflow, workflow.c.id == array.c.workflow_id).where(workflow.c.owner.in_(owners))
    return connection.execute(rows).scalars().all()


def _template_versions(connection: Connection, query: UsageQuery) -> Sequence[int]:
    """One id, or all that share a key: the same template under several versions of its tool."""
    template = tables.template_version
    if query.template_version_id is not None:
        chosen = template.c.id == query.template_version_id
    elif query.template_version_key:
        chosen = template.c.template_key == query.template_version_key
    else:
        raise InvalidRequest("usage is asked of a template version: give its id or its key")
    found = connection.execute(sa.select(template.c.id).where(chosen)).scalars().all()
    if query.template_version_id is not None and not found:
        raise NotFound(f"there is no template version {query.template_version_id}")
    return found
