"""scancel: end jobs or tasks, or send them a signal. What is over or unknown is no error."""

from collections.abc import Iterator

from fakes.scheduler.call import Answer, Call, Refusal
from fakes.slurm import options, references, states
from fakes.slurm.controller import Controller
from fakes.slurm.execution import signal_number
from fakes.slurm.records import Job, Part

VALUES = "name user state signal partition account qos nodelist reservation wckey clusters sibling jobname"
FLAGS = "quiet verbose batch full hurry ctld interactive me cron version"
SHORT = "n:name u:user t:state s:signal p:partition A:account q:qos Qquiet vverbose bbatch ffull Hhurry Vversion"


def scancel(slurm: Controller, call: Call) -> Answer:
    """Do it for every job that is named, or that the filters fit."""
    given, words = options.read("scancel", call.rest, VALUES, FLAGS, SHORT)
    if "version" in given:
        return Answer(f"slurm-wlm {slurm.settings.version}\n")
    filters = [name for name in ("name", "user", "state", "partition", "me") if name in given]
    if not words and not filters:
        raise Refusal("scancel: error: No job identification provided")
    for job, index in list(_targets(slurm, words)):
        if not _fits(job, given, call):
            continue
        if "signal" in given and signal_number(given["signal"]) not in (9, 15):
            _send(job.parts.get(index), given) if index is not None else _send_all(job, given)
        elif "state" in given:
            _cancel_in_state(slurm, job, index, given["state"], call)
        else:
            slurm.cancel(job, index, call.user_id)
    slurm.settle()
    return Answer()


def _targets(slurm: Controller, words: list[str]) -> Iterator[tuple[Job, int | None]]:
    if not words:
        yield from ((job, None) for job in slurm.register.jobs.values())
    for word in words:
        for part in references.split(word):
            try:
                yield from references.read([part])[0].targets(slurm)
            except ValueError:
                raise Refusal(f"scancel: error: Invalid job id {part}") from None


def _fits(job: Job, given: dict[str, str], call: Call) -> bool:
    asked = job.submission
    name = given.get("name") or given.get("jobname")
    return (
        (not name or asked.name in name.split(","))
        and ("user" not in given or asked.user == given["user"])
        and ("me" not in given or asked.user == call.user)
        and ("partition" not in given or asked.partition == given["partition"])
    )


def _cancel_in_state(slurm: Controller, job: Job, index: int | None, state: str, call: Call) -> None:
    wanted = states.LONG.get(state.upper(), state.upper())
    for part in [job.part(index)] if index is not None else list(job.records()):
        if part and part.state == wanted:
            slurm.cancel_part(part, call.user_id)
    slurm.leave_queue(job)


def _send_all(job: Job, given: dict[str, str]) -> None:
    for part in list(job.records()):
        _send(part, given)


def _send(part: Part | None, given: dict[str, str]) -> None:
    if part and part.execution:
        part.execution.send(signal_number(given["signal"]), "batch" in given and "full" not in given)
