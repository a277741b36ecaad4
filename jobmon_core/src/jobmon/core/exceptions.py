"""Everything that can go wrong, as one tree.

    JobmonError
    |-- ConfigError                      a setting is missing, misspelt or of the wrong kind
    |-- InvalidRequest                   the caller asked for something that cannot be           400
    |   |-- InvalidMemoryFormat, InvalidMemoryUnit, InvalidRuntimeFormat, InvalidResources
    |   |-- InvalidToolError, InvalidToolVersionError, UnknownCluster
    |   |-- EmptyWorkflowError, DuplicateNodeArgsError, CyclicGraphError, NodeDependencyNotExistError
    |   `-- CallableReturnedInvalidObject
    |-- Unauthorized                     no valid token came with the request                    401
    |-- Forbidden                        the caller is known, and may not                        403
    |-- NotFound                         no such workflow, task, run                             404
    |-- Conflict                         true a moment ago, or somebody else's turn              409
    |   |-- WorkflowAlreadyComplete, WorkflowNotResumable
    |   |-- WorkflowAlreadyExists: RunInProgress
    |   |-- InvalidStateTransition, TransitionError, WorkflowRunStateError, ResumeSet
    |   `-- LeaseLost                    another distributor holds this run now
    |-- Superseded                       this attempt is not wanted any more                     410
    |-- VersionMismatch                  client and server are too far apart                     426
    |-- ServerError                      the server failed; its log says why                     500
    |-- ServerBusy                       the server (or its database) asks to come back later    503
    |   `-- TooManyRequests              this caller asks more often than it may                 429
    |-- StorageFull                      the database has no room; reads go on                   507
    |-- InvalidResponse                  what answered is not our server
    |-- ServerUnreachable                nothing answered within the time that was given
    |-- ClusterError                     the batch system said no, or said nothing
    |   |-- SubmitRefused                it refused; `failure_class` says whether to wait or to stop
    |   |   `-- BatchTooLarge            smaller ones may go
    |   |-- SubmitUnknown                it may or may not have taken the batch: look before trying again
    |   `-- RemoteExitInfoNotAvailable
    |-- DistributorError: DistributorStartupTimeout, DistributorNotAlive, DistributorUnexpected,
    |                     DistributorInterruptedError
    |-- RunTimeout                       the run's own time limit was reached
    `-- WorkflowTestError

`http_status` is what the server answers with when the class reaches the edge of a request, and what the
client raises again when it reads that answer.
"""


class JobmonError(Exception):
    """Anything this product raises on purpose. The text says what failed, where, and the way out."""

    http_status = 500


class ConfigError(JobmonError):
    """A setting is missing, misspelt or of the wrong kind."""


class InvalidRequest(JobmonError):
    """The request cannot be carried out as it stands; nothing was stored."""

    http_status = 400


class InvalidMemoryFormat(InvalidRequest, ValueError):
    """A memory size that cannot be read."""


class InvalidMemoryUnit(InvalidRequest, ValueError):
    """A memory size with a unit that does not exist."""


class InvalidRuntimeFormat(InvalidRequest, ValueError):
    """A run time that cannot be read."""


class InvalidResources(InvalidRequest, ValueError):
    """Resources that no queue of the cluster can give, or a resource of the wrong kind."""


class InvalidToolError(InvalidRequest):
    """A tool that does not exist or has an unusable name."""


class InvalidToolVersionError(InvalidRequest):
    """A tool version that does not belong to the tool."""


class UnknownCluster(InvalidRequest, ValueError):
    """A cluster name that neither the server nor an installed plugin knows."""


class EmptyWorkflowError(InvalidRequest, RuntimeError):
    """A workflow without tasks."""


class DuplicateNodeArgsError(InvalidRequest, ValueError):
    """Two tasks of one template with the same node arguments."""


class CyclicGraphError(InvalidRequest, ValueError):
    """Tasks that wait for one another in a circle; the text prints the shortest one."""


class NodeDependencyNotExistError(InvalidRequest, ValueError):
    """A task waits for a task that is not in the workflow."""


class CallableReturnedInvalidObject(InvalidRequest, ValueError):
    """A `compute_resources_callable` returned something that is not a dict of resources."""


class Unauthorized(JobmonError):
    """No valid token came with the request."""

    http_status = 401


class Forbidden(JobmonError):
    """The caller is known and may not do this."""

    http_status = 403


class NotFound(JobmonError):
    """The thing asked for does not exist."""

    http_status = 404


class Conflict(JobmonError):
    """The state is not (or no longer) what the request needs."""

    http_status = 409


class WorkflowAlreadyExists(Conflict):
    """A workflow with these arguments exists and is not finished, or is not the same one."""


class WorkflowAlreadyComplete(Conflict):
    """This very workflow is already done."""


class WorkflowNotResumable(Conflict):
    """The workflow cannot be resumed now."""


class RunInProgress(WorkflowAlreadyExists):
    """Another run of the workflow is under way; the text names who, where and since when."""


class InvalidStateTransition(Conflict):
    """A move that the table of transitions does not hold."""

    def __init__(self, model: str, id: object = "", old_state: str = "", new_state: str = "") -> None:
        """`model` alone is a whole sentence, as it is read from an answer."""
        text = f"{model} {id} cannot go from {old_state} to {new_state}" if new_state else model
        super().__init__(text)


class TransitionError(Conflict):
    """A group of moves of which not all could be made."""


class WorkflowRunStateError(Conflict):
    """The run is in a state that does not allow this."""


class ResumeSet(Conflict):
    """Somebody asked to resume this workflow elsewhere: this run gives way."""


class LeaseLost(Conflict):
    """Another distributor holds the run now; this one must stop."""


class Superseded(JobmonError):
    """The attempt is over or belongs to another runner: stop the command and go."""

    http_status = 410


class VersionMismatch(JobmonError):
    """Client and server are too many versions apart; the text has the line that mends it."""

    http_status = 426


class ServerError(JobmonError):
    """The server failed; its log says why."""


class ServerBusy(JobmonError):
    """The server or its database asks to come back later."""

    http_status = 503

    def __init__(self, message: str, retry_after_seconds: float = 1.0) -> None:
        """`retry_after_seconds` is what the caller is asked to wait at least."""
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class TooManyRequests(ServerBusy):
    """This caller asks more often than it may; others are served meanwhile."""

    http_status = 429


class StorageFull(JobmonError):
    """The database has no room left. Reading goes on; writing resumes when there is room."""

    http_status = 507


class InvalidResponse(JobmonError):
    """What answered is not a Jobmon server (a proxy's page, a login form)."""


class ServerUnreachable(JobmonError):
    """No answer from the server within the time that was given."""


class ClusterError(JobmonError):
    """The batch system said no, or said nothing."""


class SubmitRefused(ClusterError):
    """The batch system refused a batch. `failure_class` decides between waiting and stopping."""

    def __init__(self, message: str, failure_class: str = "infrastructure") -> None:
        """`failure_class` is a value of `constants.FailureClass`."""
        super().__init__(message)
        self.failure_class = failure_class


class BatchTooLarge(SubmitRefused):
    """The batch system takes no batch of this size; smaller ones may go."""

    def __init__(self, message: str, failure_class: str = "policy") -> None:
        """The attempts of the batch are put into smaller ones."""
        super().__init__(message, failure_class)


class SubmitUnknown(ClusterError):
    """The batch may have been taken: look it up by its name before submitting again."""


class RemoteExitInfoNotAvailable(ClusterError):
    """The batch system cannot say how the job ended."""


class DistributorError(JobmonError):
    """The process that hands tasks to the cluster is not well."""


class DistributorStartupTimeout(DistributorError):
    """The distributor did not take the run's lease in time."""


class DistributorNotAlive(DistributorError):
    """The distributor ended while the run was going on."""


class DistributorUnexpected(DistributorError):
    """The distributor failed in a way nobody foresaw; its log says how."""


class DistributorInterruptedError(DistributorError):
    """The distributor was told to end by a signal."""


class RunTimeout(JobmonError, RuntimeError):
    """`seconds_until_timeout` went by before the workflow was finished."""


class WorkflowTestError(JobmonError):
    """Raised by test helpers only."""


def by_name(name: str) -> type[JobmonError]:
    """The class of that name, or `JobmonError` for a name this version does not know."""
    found = globals().get(name)
    return found if isinstance(found, type) and issubclass(found, JobmonError) else JobmonError
