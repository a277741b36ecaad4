"""scontrol: show config, nodes, partitions, jobs; hold, release, requeue, update."""

from collections.abc import Iterable

from fakes.scheduler.call import Answer, Call, Refusal
from fakes.slurm import options, references, states
from fakes.slurm.controller import Controller
from fakes.slurm.records import Node, Part, Partition
from fakes.slurm.scontrol_records import job_record, node_record, partition_record
from fakes.slurm.shown import moment

UNKNOWN_JOB = "slurm_load_jobs error: Invalid job id specified"


def scontrol(slurm: Controller, call: Call) -> Answer:
    """Find out which of its commands is meant."""
    given, words = options.read(
        "scontrol", call.rest, "", "oneliner version details all quiet", "ooneliner Vversion ddetails"
    )
    if "version" in given:
        return Answer(f"slurm-wlm {slurm.settings.version}\n")
    mark = " " if "oneliner" in given else "\n   "
    match words:
        case ["show", "config"]:
            return Answer(_config(slurm))
        case ["show", "node" | "nodes", *names]:
            return _show((node_record(node, slurm) for node in _nodes(slurm, names)), mark)
        case ["show", "partition" | "partitions", *names]:
            return _show((partition_record(p, slurm) for p in _partitions(slurm, names)), mark)
        case ["show", "job" | "jobs", *names]:
            return _show((job_record(part, slurm, call) for part in _jobs(slurm, names)), mark)
        case ["ping"]:
            return Answer("Slurmctld(primary) at fakehost is UP\n")
        case ["hold" | "release" | "requeue" as verb, *names]:
            return _order(slurm, verb, names)
        case ["update", *assignments]:
            return _update(slurm, dict(item.lower().split("=", 1) for item in assignments))
    raise Refusal(f"invalid keyword: {' '.join(words)}")


def _config(slurm: Controller) -> str:
    head = f"Configuration data as of {moment(slurm.clock.now(), {})}\n"
    return (
        head + "".join(f"{key:<23} = {value}\n" for key, value in sorted(slurm.settings.config().items())) + "\n"
    )


def _show(records: Iterable[dict[str, object]], mark: str) -> Answer:
    return Answer(
        "".join(mark.join(f"{key}={value}" for key, value in record.items()) + "\n" for record in records)
    )


# Nodes and partitions.


def _nodes(slurm: Controller, names: list[str]) -> list[Node]:
    nodes = slurm.placement.nodes
    if names and names[0] not in nodes:
        raise Refusal(f"Node {names[0]} not found")
    return [nodes[name] for name in names] if names else list(nodes.values())


def _partitions(slurm: Controller, names: list[str]) -> list[Partition]:
    partitions = slurm.placement.partitions
    if names and names[0] not in partitions:
        raise Refusal(f"Partition {names[0]} not found")
    return [partitions[name] for name in names] if names else list(partitions.values())


# Jobs.


def _jobs(slurm: Controller, names: list[str]) -> list[Part]:
    if not names:
        return list(slurm.records())
    try:
        asked = references.read(names)
    except ValueError:
        raise Refusal(UNKNOWN_JOB) from None
    found = [part for reference in asked for part in reference.records(slurm) if slurm.is_known(part)]
    if not found:
        raise Refusal(UNKNOWN_JOB)
    return found


# Orders.


def _order(slurm: Controller, verb: str, names: list[str]) -> Answer:
    for reference in references.read(references.split(",".join(names))):
        parts = list(reference.records(slurm))
        if not parts:
            raise Refusal("Invalid job id specified")
        for part in parts:
            if verb == "requeue":
                _requeue(slurm, part)
            else:
                part.job.block = "JobHeldAdmin" if verb == "hold" else ""
    slurm.settle()
    return Answer()


def _requeue(slurm: Controller, part: Part) -> None:
    if not part.job.submission.can_requeue:
        raise Refusal(f"Requested operation is presently disabled for job {part.reference}")
    if part.state == states.RUNNING:
        slurm.requeue(part)


def _update(slurm: Controller, asked: dict[str, str]) -> Answer:
    if node := slurm.placement.nodes.get(asked.get("nodename", "")):
        condition = asked.get("state", "").upper()
        if condition == "DOWN":
            slurm.node_down(node, asked.get("reason", ""))
        else:
            node.condition, node.reason = (
                ("", "") if condition in ("RESUME", "IDLE") else ("DRAIN", asked.get("reason", ""))
            )
            slurm.nodes_changed()
    elif "jobid" in asked and asked.get("endtime", "").startswith("now"):
        for part in _jobs(slurm, [asked["jobid"]]):
            slurm.end_at(part, slurm.clock.now() + int(asked["endtime"].removeprefix("now").lstrip("+") or 0))
    else:
        raise Refusal("Update of this parameter is not supported: " + " ".join(asked))
    slurm.settle()
    return Answer()
