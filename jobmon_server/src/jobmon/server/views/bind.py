"""Bind a workflow."""

import msgspec

from jobmon.core import routes
from jobmon.core.ids import WorkflowId
from jobmon.core.wire import (
    BindAnswer,
    BindRequest,
    ChunkRequest,
    DeferredResources,
    Done,
    TaskIdentities,
    TaskPage,
    ToolAnswer,
    ToolRequest,
)
from jobmon.server.serve import handles
from jobmon.server.service import Service
from jobmon.server.store import bind, deferred, status, tools


@handles(routes.TOOL)
def tool(service: Service, sent: ToolRequest) -> ToolAnswer:
    """Find or make a tool."""
    return service.write(lambda c, at: tools.find_or_make_tool(c, sent.name, sent.new_version, sent.request_id))


@handles(routes.BIND)
def announce(service: Service, sent: BindRequest) -> BindAnswer:
    """Announce a workflow."""
    sent = msgspec.structs.replace(sent, owner=service.caller.named(sent.owner))
    return service.write(lambda c, at: bind.announce(c, sent, at, service.caller.allow("write")))


@handles(routes.CHUNK)
def chunk(service: Service, sent: ChunkRequest, workflow_id: WorkflowId) -> Done:
    """Take one chunk of tasks."""
    service.write(lambda c, at: bind.add_chunk(c, workflow_id, sent, at))
    return Done()


@handles(routes.IDENTITIES)
def identities(service: Service, sent: TaskPage, workflow_id: WorkflowId) -> TaskIdentities:
    """Which node has which id."""
    return service.read(lambda c: status.identities(c, workflow_id, sent))


@handles(routes.DEFERRED)
def supply(service: Service, sent: DeferredResources, workflow_id: WorkflowId) -> Done:
    """Take resources that the client computed."""
    service.write(lambda c, at: deferred.supply(c, workflow_id, sent, at))
    service.signals.tell([workflow_id])
    return Done()
