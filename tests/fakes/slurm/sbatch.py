"""sbatch: read the options, check them as client and controller do, hand the job in."""

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from fakes.scheduler.call import Answer, Call, Refusal
from fakes.slurm import indices, options
from fakes.slurm.controller import Controller
from fakes.slurm.records import Submission

VALUES = (
    "job-name array dependency chdir error output input time time-min mem mem-per-cpu cpus-per-task partition "
    "account qos constraint gres gpus gpus-per-node gpus-per-task nodes ntasks ntasks-per-node nodelist "
    "exclude reservation licenses nice signal comment begin export open-mode mail-type mail-user tmp priority "
    "clusters wckey mincpus sockets-per-node cores-per-socket threads-per-core exclusive propagate "
    "get-user-env kill-on-invalid-dep wrap profile hint distribution deadline delay-boot switches core-spec "
    "bb bbf acctg-freq container cluster-constraint network power reboot export-file uid gid x11 extra prefer"
)
FLAGS = (
    "parsable requeue no-requeue hold quiet verbose version contiguous overcommit oversubscribe ignore-pbs "
    "spread-job use-min-nodes test-only wait help usage no-kill"
)
SHORT = (
    "J:job-name a:array d:dependency D:chdir e:error o:output i:input t:time c:cpus-per-task p:partition "
    "A:account q:qos C:constraint N:nodes n:ntasks w:nodelist x:exclude L:licenses M:clusters G:gpus Hhold "
    "Qquiet vverbose Vversion Wwait Ooversubscribe sshare hhelp"
)
FAILED = "sbatch: error: Batch job submission failed: "
BUSY = "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying"
TOO_BIG = "Memory specification can not be satisfied"
NO_NODE = "Requested node configuration is not available"
POLICY = "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"


def sbatch(slurm: Controller, call: Call) -> Answer:
    """Take a job or say why not."""
    given, rest = options.read("sbatch", call.rest, VALUES, FLAGS, SHORT, mixed=False)
    if "version" in given:
        return Answer(f"slurm-wlm {slurm.settings.version}\n")
    command, script = _script(given, rest, call)
    given = _in_script(script) | given
    asked = _submission(slurm, given, call, script, command, tuple(rest[1:]))
    which, throttle = _array(slurm, asked)
    _check(slurm, asked, given, 1 if which is None else len(which))
    job = slurm.submit(asked, which, throttle)
    if "parsable" not in given:
        return Answer(f"Submitted batch job {job.job_id}\n")
    tells_cluster = slurm.settings.tells_cluster or "clusters" in given
    return Answer(f"{job.job_id};{slurm.settings.cluster}\n" if tells_cluster else f"{job.job_id}\n")


def _script(given: dict[str, str], rest: list[str], call: Call) -> tuple[str, str]:
    """(command, text of the script); sbatch keeps a copy, the file may change afterwards."""
    if "wrap" in given:
        return "", f"#!/bin/sh\n# This script was created by sbatch by default.\n\n{given['wrap']}\n"
    if not rest:
        text = call.read_stdin()
        command = ""
    else:
        command = os.path.join(call.folder, rest[0])
        try:
            text = Path(command).read_text()
        except OSError:
            raise Refusal(f"sbatch: error: Unable to open file {rest[0]}") from None
    if not text:
        raise Refusal("sbatch: error: Batch script is empty!")
    if not text.startswith("#!"):
        raise Refusal(
            "sbatch: error: This does not look like a batch script.  The first\n"
            "sbatch: error: line must start with #! followed by the path to an interpreter.\n"
            "sbatch: error: For instance: #!/bin/sh"
        )
    return command, text


def _in_script(script: str) -> dict[str, str]:
    """Options of the #SBATCH lines before the first command."""
    words: list[str] = []
    for line in script.splitlines():
        if line.startswith("#SBATCH"):
            words += shlex.split(line.removeprefix("#SBATCH"), comments=True)
        elif line.strip() and not line.startswith("#"):
            break
    return options.read("sbatch", words, VALUES, FLAGS, SHORT)[0] if words else {}


def _submission(
    slurm: Controller, given: dict[str, str], call: Call, script: str, command: str, arguments: tuple[str, ...]
) -> Submission:
    partitions = slurm.placement.partitions
    usual = next((name for name, partition in partitions.items() if partition.is_default), next(iter(partitions)))
    partition = given.get("partition") or usual
    for name in partition.split(","):
        if name not in partitions:
            raise Refusal(
                f"sbatch: error: invalid partition specified: {partition}\n"
                f"{FAILED}Invalid partition name specified"
            )
    queue = partitions[partition.split(",")[0]]
    cpus = _number(given, "cpus-per-task", 1)
    per_cpu = _size(given, "mem-per-cpu", 100)
    association = slurm.settings.association(call.user, "")
    return Submission(
        name=given.get("job-name") or os.path.basename(command) or "wrap",
        user=call.user,
        user_id=call.user_id,
        script=script,
        arguments=arguments,
        command=command,
        folder=os.path.join(call.folder, given.get("chdir") or ""),
        output=given.get("output", ""),
        error=given.get("error", ""),
        partition=queue.name,
        account=given.get("account") or (association.account if association else "default"),
        qos=given.get("qos") or "normal",
        minutes=_minutes(given) or queue.default_minutes or queue.max_minutes,
        cpus=cpus * _number(given, "ntasks", 1),
        memory_mb=_size(given, "mem", per_cpu * cpus),
        nodes=_number(given, "nodes", 1),
        constraint=given.get("constraint", ""),
        comment=given.get("comment", ""),
        exclude=tuple(filter(None, given.get("exclude", "").split(","))),
        singleton="singleton" in given.get("dependency", ""),
        held="hold" in given,
        can_requeue=_can_requeue(slurm, given),
        signal=given.get("signal", ""),
        array=given.get("array", ""),
        environment=_exported(given.get("export") or "ALL", call.environment),
        options=given,
    )


def _can_requeue(slurm: Controller, given: dict[str, str]) -> bool:
    wanted = "requeue" in given or slurm.settings.job_requeue
    return slurm.settings.forces_requeue or ("no-requeue" not in given and wanted)


def _number(given: dict[str, str], name: str, otherwise: int) -> int:
    value = given.get(name) or str(otherwise)
    if not value.isdigit() or not int(value):
        raise Refusal(f'sbatch: error: Invalid numeric value "{value}" for --{name}.')
    return int(value)


def _size(given: dict[str, str], name: str, otherwise: int) -> int:
    try:
        return options.megabytes(given[name]) if given.get(name) else otherwise
    except ValueError:
        raise Refusal(f"sbatch: error: Invalid --{name} specification") from None


def _minutes(given: dict[str, str]) -> int:
    try:
        return options.minutes(given["time"]) if given.get("time") else 0
    except ValueError:
        raise Refusal("sbatch: error: Invalid --time specification") from None


def _exported(export: str, environment: Mapping[str, str]) -> dict[str, str]:
    """What --export lets through of the caller's environment."""
    mine = dict(environment)
    named: dict[str, str] = {}
    for item in export.split(","):
        name, equals, value = item.partition("=")
        if equals:
            named[name] = value
        elif name == "ALL":
            named = mine | named
        elif name in mine:
            named[name] = mine[name]
    slurm = {name: value for name, value in mine.items() if name.startswith("SLURM_")}
    return {"PATH": "/usr/local/bin:/usr/bin:/bin"} | slurm | named


def _array(slurm: Controller, asked: Submission) -> tuple[Sequence[int] | None, int]:
    if not asked.array:
        return None, 0
    try:
        which, throttle = indices.parse(asked.array)
    except ValueError:
        which, throttle = [], 0
    if not which or which[-1] >= slurm.settings.max_array_size:
        raise Refusal(f"{FAILED}Invalid job array specification")
    return which, throttle


def _check(slurm: Controller, asked: Submission, given: dict[str, str], tasks: int) -> None:
    """What the controller refuses. A time limit above the partition's is not among it."""
    settings = slurm.settings
    association = settings.association(asked.user, asked.account)
    if settings.associations and not association:
        raise Refusal(f"{FAILED}Invalid account or account/partition combination specified")
    if asked.qos not in settings.qos:
        raise Refusal(f"{FAILED}Invalid qos specification")
    features = {feature for node in slurm.placement.nodes.values() for feature in node.features.split(",")}
    if asked.constraint and not set(asked.constraint.replace("|", "&").split("&")) <= features:
        raise Refusal(f"{FAILED}Invalid feature specification")
    if given.get("reservation"):
        raise Refusal(f"{FAILED}Requested reservation is invalid")
    if given.get("licenses"):
        raise Refusal(f"{FAILED}Invalid license specification")
    if given.get("gres") and not any(node.gres for node in slurm.placement.nodes.values()):
        raise Refusal(f"{FAILED}Invalid generic resource (gres) specification")
    if settings.refuses_impossible and not slurm.placement.can_hold(asked):
        biggest = max(node.memory_mb for node in slurm.placement.nodes.values())
        first = f"sbatch: error: {TOO_BIG}\n" if asked.memory_mb > biggest else ""
        raise Refusal(f"{first}{FAILED}{NO_NODE}")
    limit = association.max_submit if association else None
    if limit is not None and slurm.register.live_of[asked.user] + tasks > limit:
        raise Refusal(f"sbatch: error: AssocMaxSubmitJobLimit\n{FAILED}{POLICY}")
    if slurm.register.live + tasks > settings.max_job_count:
        raise Refusal(BUSY, hangs=True)
