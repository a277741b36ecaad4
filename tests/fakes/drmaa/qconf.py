"""qconf -s...: what an administrator has set up."""

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase

from fakes.drmaa.qmaster import Qmaster
from fakes.drmaa.settings import HOST, Queue, Settings
from fakes.scheduler.call import Answer, Call, Refusal

SCHEDULER = {
    "algorithm": "default", "schedule_interval": "0:0:1", "maxujobs": "0", "queue_sort_method": "seqno",
    "job_load_adjustments": "NONE", "load_adjustment_decay_time": "0:7:30", "load_formula": "np_load_avg",
    "schedd_job_info": "true", "flush_submit_sec": "1", "flush_finish_sec": "1", "params": "none",
    "reprioritize_interval": "0:0:0", "halftime": "168", "max_reservation": "0", "default_duration": "INFINITY",
}  # fmt: skip
LIMITED = ("rt", "cpu", "fsize", "data", "stack", "core", "rss", "vmem")
INFINITE = [f"{kind}_{name}" for name in LIMITED for kind in "sh"]
COMPLEXES = """\
#name               shortcut   type      relop requestable consumable default  urgency
#--------------------------------------------------------------------------------------
arch                a          STRING    ==    YES         NO         NONE     0
h_cpu               h_cpu      TIME      <=    YES         NO         0:0:0    0
h_rss               h_rss      MEMORY    <=    YES         NO         0        0
h_rt                h_rt       TIME      <=    YES         NO         0:0:0    0
h_vmem              h_vmem     MEMORY    <=    YES         YES        1G       0
hostname            h          HOST      ==    YES         NO         NONE     0
mem_free            mf         MEMORY    <=    YES         NO         0        0
num_proc            p          INT       ==    YES         NO         0        0
qname               q          STRING    ==    YES         NO         NONE     0
s_rt                s_rt       TIME      <=    YES         NO         0:0:0    0
s_vmem              s_vmem     MEMORY    <=    YES         NO         0        0
slots               s          INT       <=    YES         YES        1        1000
# >#< starts a comment but comments are not saved across edits --------
"""


def qconf(qmaster: Qmaster, call: Call) -> Answer:
    """Those forms that only show something, one after the other."""
    left, shown = call.rest or ["-help"], ""
    while left:
        option, values = left.pop(0), []
        while left and not left[0].startswith("-"):
            values.append(left.pop(0))
        form = FORMS.get(option)
        if form is None:
            raise Refusal(f'error: invalid option argument "{option}"\nUsage: qconf -help')
        shown += form(qmaster.settings, values)
    return Answer(shown)


def _listed(names: tuple[str, ...], what: str) -> str:
    if not names:
        raise Refusal(f"no {what} list defined")
    return "\n".join(names) + "\n"


def _queues(settings: Settings, values: list[str]) -> str:
    texts = []
    for name in [name for value in values for name in value.split(",")]:
        found = [queue for queue in settings.queues if fnmatchcase(queue.name, name)]
        if not found:
            raise Refusal(f'No cluster queue or queue instance matches the phrase "{name}"')
        texts += [_table(_queue(queue, settings.queues.index(queue)), 21) for queue in found]
    return "\n".join(texts)


def _queue(queue: Queue, number: int) -> dict[str, str]:
    head = {"qname": queue.name, "hostlist": HOST, "seq_no": str(number), "load_thresholds": "NONE"}
    body = {
        "priority": "0", "processors": "UNDEFINED", "qtype": "BATCH INTERACTIVE", "ckpt_list": "NONE",
        "pe_list": " ".join(queue.parallel) or "NONE", "rerun": "FALSE", "slots": str(queue.slots),
        "tmpdir": "/tmp", "shell": "/bin/sh", "prolog": "NONE", "epilog": "NONE",
        "shell_start_mode": "unix_behavior",
        "notify": "00:00:60", "user_lists": "NONE", "xuser_lists": "NONE", "complex_values": "NONE",
        "projects": "NONE", "xprojects": "NONE", "calendar": "NONE", "initial_state": "default",
    }  # fmt: skip
    limits = dict.fromkeys(INFINITE, "INFINITY")
    if queue.h_rt is not None:
        limits["h_rt"] = f"{queue.h_rt // 3600:02}:{queue.h_rt // 60 % 60:02}:{queue.h_rt % 60:02}"
    return {**head, **body, **limits}


def _parallel(settings: Settings, values: list[str]) -> str:
    if values[0] not in settings.parallel:
        raise Refusal(f"{values[0]} is not a parallel environment")
    return _table(
        {
            "pe_name": values[0], "slots": "999", "user_lists": "NONE", "xuser_lists": "NONE",
            "start_proc_args": "NONE", "stop_proc_args": "NONE", "allocation_rule": "$pe_slots",
            "control_slaves": "TRUE", "job_is_first_task": "TRUE", "urgency_slots": "min",
            "accounting_summary": "TRUE", "qsort_args": "NONE",
        },
        18,
    )  # fmt: skip


def _project(settings: Settings, values: list[str]) -> str:
    if values[0] not in settings.projects:
        raise Refusal(f"{values[0]} is not known as a project")
    return _table({"name": values[0], "oticket": "0", "fshare": "0", "acl": "NONE", "xacl": "NONE"}, 8)


def _configuration(settings: Settings, values: list[str]) -> str:
    known = {
        "xterm": "/usr/bin/xterm", "load_sensor": "none", "prolog": "none", "epilog": "none",
        "enforce_project": "false", "reschedule_unknown": "00:00:00", "finished_jobs": "100",
        "max_aj_instances": "2000", "max_aj_tasks": str(settings.max_array), "max_u_jobs": str(settings.max_jobs),
        "max_jobs": "0", "shell_start_mode": "unix_behavior", "min_uid": "0", "min_gid": "0",
        "load_report_time": "00:00:01", "max_unheard": "00:00:20", "loglevel": "log_info",
        "qmaster_params": _params(settings), "execd_params": "ENABLE_ADDGRP_KILL=true",
        **settings.extra_configuration,
    }  # fmt: skip
    return "#global:\n" + _table(known, 28)


def _params(settings: Settings) -> str:
    known = {"FORBID_RESCHEDULE": settings.minds_99, "FORBID_APPERROR": settings.minds_100}
    return ",".join(f"{name}=true" for name, minded in known.items() if not minded) or "none"


def _host(settings: Settings, values: list[str]) -> str:
    loads = "load_avg=0.1,arch=lx-amd64,num_proc=2,mem_total=24105.562500M,virtual_total=24105.562500M"
    known = {"load_scaling": "NONE", "complex_values": "h_vmem=1000G", "load_values": loads, "processors": "2"}
    return _table({"hostname": HOST, **known}, 21)


def _table(values: Mapping[str, str], width: int) -> str:
    return "".join(f"{name:{width}} {text}\n" for name, text in values.items())


FORMS: dict[str, Callable[[Settings, list[str]], str]] = {
    "-sql": lambda settings, values: _listed(tuple(queue.name for queue in settings.queues), "queue"),
    "-sq": _queues,
    "-spl": lambda settings, values: _listed(settings.parallel, "parallel environment"),
    "-sp": _parallel,
    "-sprjl": lambda settings, values: _listed(settings.projects, "project"),
    "-sprj": _project,
    "-sconf": _configuration,
    "-ssconf": lambda settings, values: _table(SCHEDULER, 33),
    "-sel": lambda settings, values: f"{HOST}\n",
    "-sh": lambda settings, values: f"{HOST}\n",
    "-ss": lambda settings, values: f"{HOST}\n",
    "-sss": lambda settings, values: f"{HOST}\n",
    "-se": _host,
    "-sc": lambda settings, values: COMPLEXES,
}
