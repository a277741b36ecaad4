"""Every route of the server, one line each: the client calls it by this line, the server answers it by it."""

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from jobmon.core import wire

Sent = TypeVar("Sent", bound=wire.Request)
Got = TypeVar("Got", bound=wire.Answer)
Action = Literal["open", "read", "write", "drive", "work"]

API_VERSION = "1.0"
PREFIX = "/api/v1"


@dataclass(frozen=True, eq=False)
class Route(Generic[Sent, Got]):
    """A method and path with the bodies that go and come.

    GET carries the request as its query. `action` is what the caller must be allowed to do: "open" (anyone),
    "read", "write" (own workflows), "drive" (a distributor), "work" (whoever runs commands).
    """

    method: Literal["GET", "POST"]
    path: str
    sent: type[Sent]
    got: type[Got]
    action: Action

    def url(self, **ids: int) -> str:
        """The path with its ids filled in."""
        return PREFIX + self.path.format(**ids)


HEALTH = Route("GET", "/health", wire.Nothing, wire.Health, "open")

TOOL = Route("POST", "/tool", wire.ToolRequest, wire.ToolAnswer, "write")
BIND = Route("POST", "/workflow", wire.BindRequest, wire.BindAnswer, "write")
CHUNK = Route("POST", "/workflow/{workflow_id}/chunk", wire.ChunkRequest, wire.Done, "write")
IDENTITIES = Route("GET", "/workflow/{workflow_id}/identities", wire.TaskPage, wire.TaskIdentities, "read")
START_RUN = Route("POST", "/workflow/{workflow_id}/run", wire.StartRunRequest, wire.StartRunAnswer, "write")
DEFERRED = Route("POST", "/workflow/{workflow_id}/deferred", wire.DeferredResources, wire.Done, "write")

LEASE = Route("POST", "/run/{run_id}/lease", wire.LeaseRequest, wire.LeaseAnswer, "drive")
ADVANCE = Route("POST", "/run/{run_id}/advance", wire.AdvanceRequest, wire.AdvanceAnswer, "drive")
WORK = Route("POST", "/work", wire.WorkRequest, wire.WorkAnswer, "work")

WATCH = Route("POST", "/run/{run_id}/watch", wire.WatchRequest, wire.WatchAnswer, "read")
END = Route("POST", "/run/{run_id}/end", wire.EndRequest, wire.Done, "write")
LIMIT = Route("POST", "/workflow/{workflow_id}/limit", wire.LimitRequest, wire.Done, "write")
WORKFLOW_ATTRIBUTES = Route(
    "POST", "/workflow/{workflow_id}/attributes", wire.AttributesRequest, wire.Done, "write"
)
TASK_ATTRIBUTES = Route("POST", "/task/{task_id}/attributes", wire.AttributesRequest, wire.Done, "write")

WORKFLOWS = Route("GET", "/workflows", wire.WorkflowQuery, wire.WorkflowList, "read")
TASKS = Route("GET", "/workflow/{workflow_id}/tasks", wire.TaskQuery, wire.TaskList, "read")
TASK_DETAILS = Route("GET", "/tasks", wire.TaskDetailQuery, wire.TaskDetails, "read")
ERRORS = Route("GET", "/workflow/{workflow_id}/errors", wire.ErrorQuery, wire.WorkflowErrors, "read")
USAGE = Route("GET", "/usage", wire.UsageQuery, wire.UsageAnswer, "read")

CLUSTERS = Route("GET", "/clusters", wire.Nothing, wire.ClusterList, "read")
CLUSTER_ADD = Route("POST", "/clusters", wire.ClusterRequest, wire.ClusterAnswer, "write")
CLUSTER_QUEUES = Route("POST", "/clusters/queues", wire.QueuesRequest, wire.Done, "write")
