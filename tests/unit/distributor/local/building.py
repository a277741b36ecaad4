"""Small makers of what the tests of the local clusters need."""

from jobmon.core.resources import Resources
from jobmon.core.wire import Batch, Claim, Grant
from jobmon.distributor.local.attempt import Attempt, attempts


def batch(batch_id: int, size: int, first: int = 0, resources: Resources | None = None) -> Batch:
    """A batch whose attempts are first, first + 1, ... (batch_id * 1000 unless said otherwise)."""
    return Batch(
        batch_id=batch_id,
        name=f"b{batch_id}",
        workflow_id=1,
        array_name="a",
        cluster="multiprocess",
        resources=resources or Resources(),
        size=size,
        first_instance_id=first or batch_id * 1000,
        run_dir="/runs",
    )


def grant(of: Batch, claim: Claim, command: str = "true", folder: str = "/nowhere") -> Grant:
    """What the server answers when it grants a whole claim."""
    indexes = list(range(claim.start, claim.start + claim.count))
    ids = [of.first_instance_id + index for index in indexes]
    return Grant(
        batch_id=of.batch_id,
        workflow_id=1,
        workflow_run_id=2,
        resources=of.resources,
        stdout_dir=folder,
        stderr_dir=folder,
        index=indexes,
        instance_id=ids,
        task_id=ids,
        attempt=[1 for _ in ids],
        name=["task" for _ in ids],
        command=[command for _ in ids],
        token=[f"t{id}" for id in ids],
    )


def attempt(command: str, folder: str, resources: Resources | None = None) -> Attempt:
    """One granted attempt."""
    of = batch(1, 1, resources=resources)
    return attempts(grant(of, Claim(batch_id=1, start=0), command, folder), 2)[0]
