"""qstat -j: all that is to be said of a job, with why it waits and why it is in error."""

from collections.abc import Sequence

from fakes.drmaa import words
from fakes.drmaa.qmaster import Qmaster
from fakes.drmaa.records import Job, Task
from fakes.drmaa.settings import HOST
from fakes.drmaa.xml import HEAD, Node, document, quoted

LINE = "=" * 62 + "\n"
KINDS = {"MEMORY": "4", "TIME": "3"}


def details(qmaster: Qmaster, jobs: Sequence[Job], xml: bool) -> str:
    """Of all these."""
    if not xml:
        return "".join(LINE + _text(qmaster, job) for job in jobs)
    nodes: list[Node] = [
        ("djob_info", [("element", _nodes(job)) for job in jobs]),
        ("messages", [("element", _messages(qmaster, jobs))]),
    ]
    return document("detailed_job_info", "qstat/detailed_job_info.xsd", nodes)


def unknown(wanted: Sequence[str]) -> str:
    """A document of its own, which is no failure."""
    names = "".join(f"    <ST_name>{quoted(one)}</ST_name>\n" for one in wanted)
    return f"{HEAD}\n<unknown_jobs >\n{names}</unknown_jobs>\n"


def reasons(qmaster: Qmaster, job: Job) -> list[str]:
    """The scheduler's words."""
    said = []
    if qmaster.waits(job):
        said.append("job dependencies")
    if any(task.error for task in job.live):
        said.append("Job is in error state")
    if any(task.held for task in job.live):
        said.append("Job is in hold state")
    return said


def general(qmaster: Qmaster) -> list[str]:
    """What holds for every job."""
    full = (queue for queue in qmaster.settings.queues if qmaster.used[queue.name] >= queue.slots)
    return [f'queue instance "{queue.name}@{HOST}" dropped because it is full' for queue in full]


def error_text(task: Task) -> str:
    """With when and who."""
    return f"{words.when(task.error_at, words.IN_LISTS)} [0:{task.error_pid}]: {task.error}"


def _text(qmaster: Qmaster, job: Job) -> str:
    request = job.request
    pairs = [
        ("job_number", str(job.number)),
        ("exec_file", f"job_scripts/{job.number}"),
        ("submission_time", words.when(job.submitted, words.IN_DETAILS)),
        ("owner", request.user),
        ("uid", str(request.user_id)),
        ("account", request.account),
        ("cwd", request.folder),
        ("hard resource_list", ",".join(f"{name}={text}" for name, text in request.resources.items())),
        ("mail_list", f"{request.user}@{HOST}"),
        ("notify", str(request.notify).upper()),
        ("job_name", job.name),
        ("jobshare", "0"),
        ("hard_queue_list", ",".join(request.queues)),
        ("script_file", request.command),
        ("parallel environment", f"{request.parallel} range: {request.slots}" if request.parallel else ""),
        ("project", request.project),
        ("job-array tasks", f"{job.first}-{job.last}:{job.step}" if job.is_array else ""),
        ("binding", "NONE"),
    ]
    lines = [f"{name + ':':27} {text}" for name, text in pairs if text]
    lines += [f"error reason {task.index:4d}:      {error_text(task)}" for task in job.live if task.error]
    said = general(qmaster) + reasons(qmaster, job)
    lines += [f"{'' if number else 'scheduling info:':27} {text}" for number, text in enumerate(said)]
    return "\n".join(lines) + "\n"


def _nodes(job: Job) -> list[Node]:
    request = job.request
    nodes: list[Node] = [
        ("JB_job_number", str(job.number)),
        ("JB_exec_file", f"job_scripts/{job.number}"),
        ("JB_submission_time", str(int(job.submitted))),
        ("JB_owner", request.user),
        ("JB_uid", str(request.user_id)),
        ("JB_account", request.account),
        ("JB_merge_stderr", str(request.merge).lower()),
        ("JB_notify", str(request.notify).lower()),
        ("JB_job_name", job.name),
    ]
    if request.resources:
        nodes.append(("JB_hard_resource_list", [_resource(*item) for item in request.resources.items()]))
    nodes.append(("JB_script_file", request.command))
    tasks = [task for task in job.live if task.started or task.error]
    if tasks:
        nodes.append(("JB_ja_tasks", [("ulong_sublist", _task(task)) for task in tasks]))
    span: list[Node] = [("RN_min", str(job.first)), ("RN_max", str(job.last)), ("RN_step", str(job.step))]
    return [*nodes, ("JB_cwd", request.folder), ("JB_ja_structure", [("task_id_range", span)])]


def _resource(name: str, text: str) -> Node:
    is_time = name in ("h_rt", "s_rt", "h_cpu", "s_cpu")
    value = words.seconds(text) if is_time else words.memory(text)
    nodes: list[Node] = [
        ("CE_name", name),
        ("CE_valtype", KINDS["TIME" if is_time else "MEMORY"]),
        ("CE_stringval", text),
        ("CE_doubleval", f"{value:.6f}"),
    ]
    return "qstat_l_requests", nodes


def _task(task: Task) -> list[Node]:
    nodes: list[Node] = [("JAT_status", "128" if task.started else "0"), ("JAT_task_number", str(task.index))]
    if task.error:
        message: list[Node] = [("QIM_type", "1"), ("QIM_message", error_text(task))]
        nodes.append(("JAT_message_list", [("ulong_sublist", message)]))
    return [*nodes, ("JAT_start_time", str(int(task.started)))]


def _messages(qmaster: Qmaster, jobs: Sequence[Job]) -> list[Node]:
    nodes: list[Node] = []
    for job in jobs:
        number: Node = ("MES_job_number_list", [("ulong_sublist", [("ULNG_value", str(job.number))])])
        for text in reasons(qmaster, job):
            message: Node = ("element", [number, ("MES_message_number", "32"), ("MES_message", text)])
            nodes.append(("SME_message_list", [message]))
    shared: list[Node] = [
        ("element", [("MES_message_number", "37"), ("MES_message", text)]) for text in general(qmaster)
    ]
    return [*nodes, ("SME_global_message_list", shared)] if shared else nodes
