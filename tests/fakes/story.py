"""A day of a server, told request by request: all that client, distributor and workers say about two workflows.

`tell(call)` asks through `call(route, sent, **ids)`, at a real server or at what stands for it. Nothing in it
waits or is left to chance, so that the same story can be told to any server on any database, and its end is known.
"""

from collections.abc import Callable
from typing import Any

from jobmon.core import routes, wire
from jobmon.core.resources import QueueLimits, Resources

Call = Callable[..., Any]
"""(route, sent, **ids) -> the answer."""

ROUNDS_AT_MOST = 20
SIZE = 5  # tasks: three of `fit`, one whose resources are computed late, one that waits for all of them
RUNNER = {"runner": "runner-of-the-story", "node": "node1"}
TEMPLATES = [
    wire.Template(name=name, command_template="echo {n}", node_args=["n"], task_args=[], op_args=[], key=name)
    for name in ("fit", "sum")
]


def tell(call: Call, name: str = "story") -> int:
    """The whole day; returns the id of the workflow of that name, whose tasks all get done."""
    _site(call)
    bound = _bind(call, name, resume=False)
    run_id = _start(call, bound, resume=False)
    _drive(call, bound, run_id, breaks=True)
    assert call(routes.WATCH, wire.WatchRequest(), run_id=run_id).status == "E"
    again = _bind(call, name, resume=True)
    run_id = _start(call, again, resume=True)
    _change(call, bound)
    _drive(call, again, run_id, breaks=False)
    _ask(call, bound, run_id)
    _stopped(call, f"{name}, stopped")
    return int(bound.workflow_id)


def _site(call: Call) -> None:
    call(routes.WHOAMI, wire.Nothing())
    call(routes.CLUSTER_ADD, wire.ClusterRequest(name="toy", kind="dummy", options={"partition": "long"}))
    queues = [QueueLimits(name="all.q", max_cores=8, max_memory_bytes=2**34, max_runtime_seconds=86_400)]
    call(routes.CLUSTER_QUEUES, wire.QueuesRequest(name="toy", queues=queues))
    call(routes.CLUSTERS, wire.Nothing())
    call(routes.TOOL, wire.ToolRequest(name="tool", new_version=True, request_id="a-version"))


def _bind(call: Call, name: str, resume: bool) -> wire.BindAnswer:
    fit = wire.TaskResources(
        cluster="toy", requested=Resources(memory_bytes=2**30, cores=2, runtime_seconds=60, queue="all.q"),
        scales={"memory": 0.5},
    )  # fmt: skip
    request = wire.BindRequest(
        request_id=f"bind {name} {resume}", tool_name="tool", name=name, args=name, args_hash=name,
        description="d", owner="ann", attributes={"colour": "blue"}, run_dir="/runs", templates=TEMPLATES,
        arrays=[
            wire.Array(template=0, name="fit", max_concurrently_running=3), wire.Array(template=1, name="sum"),
        ],
        resources=[fit, wire.TaskResources(cluster="toy", requested=Resources())],
        task_count=SIZE, gate_count=2, identity_hash=name, order_hash="o", spec_hash="s", resume=resume,
    )  # fmt: skip
    bound = call(routes.BIND, request)
    if bound.send == "all":
        call(routes.CHUNK, _chunk(bound, 0, range(3)), workflow_id=bound.workflow_id)
        call(routes.CHUNK, _chunk(bound, 1, range(3, SIZE)), workflow_id=bound.workflow_id)
    call(routes.IDENTITIES, wire.TaskPage(), workflow_id=bound.workflow_id)
    return bound


def _chunk(bound: wire.BindAnswer, index: int, positions: range) -> wire.ChunkRequest:
    """Gate 0 is open; gate 1 waits for the first four tasks."""
    last = SIZE - 1
    members = [position for position in positions if position != last]
    return wire.ChunkRequest(
        index=index, last=last in positions, first=positions.start,
        array=[bound.array_ids[position == last] for position in positions],
        gate=[int(position == last) for position in positions],
        resources=[bound.resources_ids[position == last] for position in positions],
        max_attempts=[2] * len(positions), name=[f"t{position}" for position in positions],
        command=[f"echo {position}" for position in positions],
        node_args=[f'{{"n": {position}}}' for position in positions],
        node_hash="".join(f"{position:032x}" for position in positions),
        deferred=[position - positions.start for position in positions if position == last - 1],
        gate_remaining=[0, last] if index == 0 else [],
        member_task=members, member_gate=[1] * len(members),
        attribute_task=[positions.start], attribute_name=["size"], attribute_value=["large"],
    )  # fmt: skip


def _start(call: Call, bound: wire.BindAnswer, resume: bool) -> int:
    request = wire.StartRunRequest(
        request_id=f"run of {bound.workflow_id} {resume}", user="ann", host="login1", pid=7, version="4.0.0",
        resume=resume, reset_running_jobs=False,
    )  # fmt: skip
    return int(call(routes.START_RUN, request, workflow_id=bound.workflow_id).workflow_run_id)


def _drive(call: Call, bound: wire.BindAnswer, run_id: int, breaks: bool) -> None:
    """A distributor and a worker; with `breaks`, the second task fails whenever it is tried."""
    lease = wire.LeaseRequest(holder=f"distributor {run_id}", host="login1", pid=8, version="4.0.0")
    fence = call(routes.LEASE, lease, run_id=run_id).fence
    call(routes.PASSES, wire.Nothing(), run_id=run_id)
    launched: list[wire.Launched] = []
    observed: list[wire.Observed] = []
    for number in range(ROUNDS_AT_MOST):
        request = wire.AdvanceRequest(
            fence=fence, launched=launched, observed=observed, paces=[wire.Pace(cluster="toy", max_batch=2)],
            notice="the queue is full" if number == 0 else "",
        )  # fmt: skip
        answer = call(routes.ADVANCE, request, run_id=run_id)
        launched, observed = [], []
        if answer.status not in "BIOR":
            return
        for batch in answer.submit:
            launched.append(wire.Launched(batch_id=batch.batch_id, job_id=f"job{batch.batch_id}"))
            observed += _work(call, batch, int(bound.first_task_id) + 1 if breaks else 0)
        waiting = call(routes.WATCH, wire.WatchRequest(), run_id=run_id).deferred
        if waiting:
            fresh = wire.TaskResources(cluster="toy", requested=Resources(cores=2))
            sent = wire.DeferredResources(task_ids=waiting, resources=[fresh] * len(waiting))
            call(routes.DEFERRED, sent, workflow_id=bound.workflow_id)
    raise AssertionError(f"run {run_id} does not end")


def _work(call: Call, batch: wire.Batch, bad_task: int) -> list[wire.Observed]:
    """Claim a batch, live, and end; a second runner that asks too is told to wait."""
    claim = wire.Claim(batch_id=batch.batch_id, start=0, count=batch.size)
    number = 100 * int(batch.batch_id)
    answer = call(routes.WORK, wire.WorkRequest(**RUNNER, sequence=number, claims=[claim]))
    call(routes.WORK, wire.WorkRequest(runner="another", node="node2", sequence=number, claims=[claim]))
    [grant] = answer.grants
    call(routes.WORK, wire.WorkRequest(**RUNNER, sequence=number + 1, alive=grant.instance_id))
    ends = []
    for instance_id, task_id, token in zip(grant.instance_id, grant.task_id, grant.token, strict=True):
        usage = {"peak_memory_bytes": 2**20, "cpu_seconds": 0.5, "wall_seconds": 1.5}
        if task_id == bad_task:
            end = {"status": "E", "failure_class": "user", "exit_code": 3, "message": "it broke"}
        else:
            end = {"status": "D", "exit_code": 0}
        ends.append(wire.Outcome(instance_id=instance_id, token=token, **end, **usage))
    call(routes.WORK, wire.WorkRequest(**RUNNER, sequence=number + 2, outcomes=ends))
    return [wire.Observed(instance_id=id, state="gone", node="node1") for id in grant.instance_id]


def _change(call: Call, bound: wire.BindAnswer) -> None:
    limit = wire.LimitRequest(max_concurrently_running=50, array="fit")
    call(routes.LIMIT, limit, workflow_id=bound.workflow_id)
    attributes = wire.AttributesRequest(attributes={"colour": "red", "size": None})
    call(routes.WORKFLOW_ATTRIBUTES, attributes, workflow_id=bound.workflow_id)
    call(routes.TASK_ATTRIBUTES, attributes, task_id=bound.first_task_id)


def _ask(call: Call, bound: wire.BindAnswer, run_id: int) -> None:
    id = bound.workflow_id
    call(routes.WORKFLOWS, wire.WorkflowQuery(workflow_id=[id], user=["ann"]))
    call(routes.TASKS, wire.TaskQuery(status=["DONE"], limit=20), workflow_id=id)
    call(routes.TASK_DETAILS, wire.TaskDetailQuery(task_id=[bound.first_task_id, bound.first_task_id + 1]))
    call(routes.ERRORS, wire.ErrorQuery(), workflow_id=id)
    call(routes.USAGE, wire.UsageQuery(template_version_key="fit", workflow_id=[id]))
    call(routes.WATCH, wire.WatchRequest(failures_after=0), run_id=run_id)


def _stopped(call: Call, name: str) -> None:
    """Another workflow, which somebody ends before it begins."""
    bound = _bind(call, name, resume=False)
    run_id = _start(call, bound, resume=False)
    call(routes.END, wire.EndRequest(reason="not today"), run_id=run_id)
