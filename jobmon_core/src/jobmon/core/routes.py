"""Every route of the server, one line each: the client calls it by this line, the server answers it by it."""

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from jobmon.core import wire

Sent = TypeVar("Sent", bound=wire.Request)
Got = TypeVar("Got", bound=wire.Answer)
Action = Literal[
    "open", "login", "self", "metrics", "read", "inspect", "create", "write", "stop", "drive", "work", "administer"
]

API_VERSION = "1.0"
PREFIX = "/api/v1"
SMALL_BYTES = 2**20  # enough for whatever a person asks
BULK_BYTES = 64 * 2**20  # what comes in columns, one entry a task or an attempt


@dataclass(frozen=True, eq=False)
class Route(Generic[Sent, Got]):
    """A method and path with the bodies that go and come.

    GET carries the request as its query. A body may have `body_bytes`; routes without a `prefix` are for probes
    and people. `action` is what the caller must be allowed to do:

    open        anyone                              login       whoever can prove a name
    self        about the caller                    metrics     what watches the server
    read        names, states and counters          inspect     commands, errors and outputs
    create      make workflows                      write       change own ones
    stop        end or slow down a workflow         administer  what concerns all users
    drive       the run of one's own distributor    work        the commands of one's own tasks
    """

    method: Literal["GET", "POST"]
    path: str
    sent: type[Sent]
    got: type[Got]
    action: Action
    body_bytes: int = SMALL_BYTES
    prefix: str = PREFIX

    def url(self, **ids: int) -> str:
        """The path with its ids filled in."""
        return self.prefix + self.path.format(**ids)


HEALTH = Route("GET", "/health", wire.Nothing, wire.Health, "open", prefix="")
READY = Route("GET", "/ready", wire.Nothing, wire.Ready, "open", prefix="")
OPENAPI = Route("GET", "/openapi.json", wire.Nothing, wire.Text, "open", prefix="")
METRICS = Route("GET", "/metrics", wire.Nothing, wire.Text, "metrics", prefix="")

NONCE = Route("POST", "/auth/nonce", wire.Nothing, wire.Nonce, "login")
MUNGE = Route("POST", "/auth/munge", wire.MungeRequest, wire.TokenAnswer, "login")
PEER = Route("POST", "/auth/peer", wire.Nothing, wire.TokenAnswer, "login")
LOGOUT = Route("POST", "/auth/logout", wire.Nothing, wire.Done, "self")
WHOAMI = Route("GET", "/auth/whoami", wire.Nothing, wire.WhoAmI, "self")

TOOL = Route("POST", "/tool", wire.ToolRequest, wire.ToolAnswer, "create")
BIND = Route("POST", "/workflow", wire.BindRequest, wire.BindAnswer, "create", BULK_BYTES)
CHUNK = Route("POST", "/workflow/{workflow_id}/chunk", wire.ChunkRequest, wire.Done, "write", BULK_BYTES)
IDENTITIES = Route("GET", "/workflow/{workflow_id}/identities", wire.TaskPage, wire.TaskIdentities, "read")
START_RUN = Route("POST", "/workflow/{workflow_id}/run", wire.StartRunRequest, wire.StartRunAnswer, "write")
DEFERRED = Route(
    "POST", "/workflow/{workflow_id}/deferred", wire.DeferredResources, wire.Done, "write", BULK_BYTES
)

LEASE = Route("POST", "/run/{run_id}/lease", wire.LeaseRequest, wire.LeaseAnswer, "drive")
PASSES = Route("POST", "/run/{run_id}/passes", wire.Nothing, wire.Passes, "drive")
ADVANCE = Route("POST", "/run/{run_id}/advance", wire.AdvanceRequest, wire.AdvanceAnswer, "drive", BULK_BYTES)
WORK = Route("POST", "/work", wire.WorkRequest, wire.WorkAnswer, "work", BULK_BYTES)

WATCH = Route("POST", "/run/{run_id}/watch", wire.WatchRequest, wire.WatchAnswer, "inspect")
END = Route("POST", "/run/{run_id}/end", wire.EndRequest, wire.Done, "stop")
LIMIT = Route("POST", "/workflow/{workflow_id}/limit", wire.LimitRequest, wire.Done, "stop")
WORKFLOW_ATTRIBUTES = Route(
    "POST", "/workflow/{workflow_id}/attributes", wire.AttributesRequest, wire.Done, "write"
)
TASK_ATTRIBUTES = Route("POST", "/task/{task_id}/attributes", wire.AttributesRequest, wire.Done, "write")

WORKFLOWS = Route("GET", "/workflows", wire.WorkflowQuery, wire.WorkflowList, "read")
TASKS = Route("GET", "/workflow/{workflow_id}/tasks", wire.TaskQuery, wire.TaskList, "read")
TASK_DETAILS = Route("GET", "/tasks", wire.TaskDetailQuery, wire.TaskDetails, "inspect")
ERRORS = Route("GET", "/workflow/{workflow_id}/errors", wire.ErrorQuery, wire.WorkflowErrors, "inspect")
USAGE = Route("GET", "/usage", wire.UsageQuery, wire.UsageAnswer, "inspect")

CLUSTERS = Route("GET", "/clusters", wire.Nothing, wire.ClusterList, "read")
CLUSTER_ADD = Route("POST", "/clusters", wire.ClusterRequest, wire.ClusterAnswer, "administer")
CLUSTER_QUEUES = Route("POST", "/clusters/queues", wire.QueuesRequest, wire.Done, "administer")
